using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.RegularExpressions;

namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>Python's <c>format % values</c>.</summary>
internal static partial class PercentFormat
{
    public static string Apply(string format, Value values, Rendering rendering)
    {
        IReadOnlyList<Value> several = values is ListValue { Kind: ListKind.Tuple } tuple ? tuple.Elements() : [values];
        TextBuilder text = new(rendering);
        int used = 0;
        int at = 0;
        foreach (Match match in Conversion().Matches(format))
        {
            text.Append(format.AsSpan(at, match.Index - at));
            at = match.Index + match.Length;
            if (match.Groups["kind"].Value == "%")
            {
                text.Append("%");
                continue;
            }
            Value value = match.Groups["key"].Success
                ? (values as DictValue)?.Item(new TextValue(match.Groups["key"].Value)) ?? throw new ChatTemplateException($"the format has no value for '{match.Groups["key"].Value}'")
                : used < several.Count ? several[used++] : throw new ChatTemplateException("not enough arguments for format string");
            Write(text, match, value, rendering);
        }
        if (format.IndexOf('%', at) >= 0)
        {
            throw new ChatTemplateException("incomplete format");
        }
        return used == several.Count || values is DictValue
            ? text.Append(format.AsSpan(at)).ToString()
            : throw new ChatTemplateException("not all arguments converted during string formatting");
    }

    private static void Write(TextBuilder text, Match match, Value value, Rendering rendering)
    {
        string flags = match.Groups["flags"].Value;
        int width = Number(match.Groups["width"].Value) ?? 0;
        int? precision = match.Groups["dot"].Success ? Number(match.Groups["precision"].Value) ?? 0 : null;
        char kind = match.Groups["kind"].Value[0];
        (string sign, string body) = kind switch
        {
            's' => ("", Cut(rendering.Text(value), precision)),
            'r' or 'a' => ("", Cut(rendering.Repr(value), precision)),
            'c' => ("", Character(value)),
            _ when value is NumberValue number => new NumberFormat(
                kind, precision, flags.Contains('+', StringComparison.Ordinal) ? '+' : flags.Contains(' ', StringComparison.Ordinal) ? ' ' : '-',
                flags.Contains('#', StringComparison.Ordinal)).Apply(number),
            _ => throw (value as UndefinedValue)?.Error() ?? new ChatTemplateException($"%{kind} format: a real number is required, not {value.Type}"),
        };
        int missing = width - sign.Length - Characters32.Length(body);
        bool zeros = flags.Contains('0', StringComparison.Ordinal) && kind is not ('s' or 'r' or 'a' or 'c');
        text.Append(flags.Contains('-', StringComparison.Ordinal) ? TextMethods.Padded(sign + body, 0, missing, ' ', rendering)
            : zeros ? sign + TextMethods.Padded(body, missing, 0, '0', rendering)
            : TextMethods.Padded(sign + body, missing, 0, ' ', rendering));
    }

    private static string Character(Value value) => value switch
    {
        TextValue { Length: 1 } one => one.Content,
        NumberValue { Whole: { } code } when Rune.IsValid((int)BigInteger.Max(-1, BigInteger.Min(code, int.MaxValue))) => new Rune((int)code).ToString(),
        _ => throw new ChatTemplateException("%c requires one character"),
    };

    private static int? Number(string digits) =>
        digits.Length == 0 ? null : int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : int.MaxValue;

    private static string Cut(string text, int? length) => length is { } most ? text[..Characters32.Offset(text, most)] : text;

    [GeneratedRegex(@"%(?:\((?<key>[^)]*)\))?(?<flags>[-#0 +]*)(?<width>[0-9]*)(?<dot>\.(?<precision>[0-9]*))?[hlL]?(?<kind>[sradiufFeEgGxXoc%])")]
    private static partial Regex Conversion();
}
