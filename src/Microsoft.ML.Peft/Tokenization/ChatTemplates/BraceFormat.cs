using System.Globalization;
using System.Text.RegularExpressions;

namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>Python's str.format: <c>{}</c>, <c>{0}</c>, <c>{name.attribute[item]}</c>, conversions and format specifications.</summary>
internal static partial class BraceFormat
{
    public static string Apply(string format, Arguments arguments)
    {
        TextBuilder text = new(arguments.Rendering);
        int automatic = 0;
        for (int at = 0; at < format.Length; at++)
        {
            char c = format[at];
            bool doubled = at + 1 < format.Length && format[at + 1] == c;
            if (c is not ('{' or '}'))
            {
                text.Append(c.ToString());
            }
            else if (doubled)
            {
                text.Append(c.ToString());
                at++;
            }
            else
            {
                Match field = c == '{' ? Field().Match(format, at) : Match.Empty;
                if (!field.Success)
                {
                    throw new ChatTemplateException($"single '{c}' encountered in format string");
                }
                text.Append(Write(field, Find(field, arguments, ref automatic), arguments.Rendering));
                at += field.Length - 1;
            }
        }
        return text.ToString();
    }

    private static Value Find(Match field, Arguments arguments, ref int automatic)
    {
        string name = field.Groups["name"].Value;
        int? index = name.Length == 0 ? automatic++ : int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : null;
        Value? value = index is { } position
            ? arguments.Positional.ElementAtOrDefault(position)
            : arguments.Named.Where(entry => entry.Key == name).Select(entry => entry.Value).FirstOrDefault();
        if (value is null)
        {
            throw new ChatTemplateException($"the format string asks for '{name}', which is not given");
        }
        foreach (Capture step in field.Groups["step"].Captures)
        {
            string key = step.Value[0] == '.' ? step.Value[1..] : step.Value[1..^1];
            value = step.Value[0] == '.' ? Lookup.Attribute(value, key, arguments.Rendering)
                : Lookup.Item(value, int.TryParse(key, out int i) ? new IntValue(i) : new TextValue(key), arguments.Rendering);
        }
        return value;
    }

    private static string Write(Match field, Value value, Rendering rendering)
    {
        value = field.Groups["conversion"].Value switch
        {
            "r" or "a" => new TextValue(rendering.Repr(value)),
            "s" => new TextValue(rendering.Text(value)),
            _ => value,
        };
        Match spec = Specification().Match(field.Groups["spec"].Value);
        if (!spec.Success)
        {
            throw new ChatTemplateException($"invalid format specifier '{field.Groups["spec"].Value}'");
        }
        return Shape(spec, value, rendering);
    }

    private static string Shape(Match spec, Value value, Rendering rendering)
    {
        string Part(string name) => spec.Groups[name].Value;
        int? Number(string name) => Part(name).Length == 0 ? null
            : int.TryParse(Part(name), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : int.MaxValue;
        NumberValue? numeric = value is NumberValue n && (value is not BoolValue || spec.Length > 0) ? n : null;
        int? precision = Number("precision");
        char kind = Part("kind") is [char given] ? given : numeric is null ? 's' : numeric.Whole is not null ? 'd' : precision is null ? 'r' : 'g';
        if (kind == 's' && numeric is not null || kind is not ('s' or 'r') && numeric is null)
        {
            throw new ChatTemplateException($"unknown format code '{kind}' for object of type '{value.Type}'");
        }
        (string sign, string body) = numeric is null || kind == 'r'
            ? ("", rendering.Text(value) is var text && precision is { } most ? text[..Characters32.Offset(text, most)] : text)
            : new NumberFormat(kind, precision, Part("sign") is [char plus] ? plus : '-', Part("alternate").Length > 0).Apply(numeric);
        body = Part("group").Length > 0 ? Group(body, Part("group")) : body;
        int missing = (Number("width") ?? 0) - sign.Length - Characters32.Length(body);
        char fill = Part("fill") is [char set] ? set : Part("zero").Length > 0 ? '0' : ' ';
        string align = Part("align") is { Length: > 0 } asked ? asked : Part("zero").Length > 0 && numeric is not null ? "=" : numeric is null ? "<" : ">";
        return align switch
        {
            "=" => sign + TextMethods.Padded(body, missing, 0, fill, rendering),
            ">" => TextMethods.Padded(sign + body, missing, 0, fill, rendering),
            "^" => TextMethods.Padded(sign + body, missing / 2, missing - missing / 2, fill, rendering),
            _ => TextMethods.Padded(sign + body, 0, missing, fill, rendering),
        };
    }

    private static string Group(string digits, string separator)
    {
        int end = digits.TakeWhile(char.IsAsciiDigit).Count();
        string whole = digits[..end];
        for (int at = end - 3; at > 0; at -= 3)
        {
            whole = whole.Insert(at, separator);
        }
        return whole + digits[end..];
    }

    [GeneratedRegex(@"\G\{(?<name>[^{}!:.\[\]]*)(?<step>\.[^{}!:.\[\]]+|\[[^{}\[\]]+\])*(?:!(?<conversion>[rsa]))?(?::(?<spec>[^{}]*))?\}")]
    private static partial Regex Field();

    [GeneratedRegex(@"^(?:(?<fill>.)?(?<align>[<>=^]))?(?<sign>[-+ ])?(?<alternate>#)?(?<zero>0)?(?<width>[0-9]*)(?<group>[,_])?(?:\.(?<precision>[0-9]+))?(?<kind>[bdeEfFgGosxX%])?$", RegexOptions.Singleline)]
    private static partial Regex Specification();
}
