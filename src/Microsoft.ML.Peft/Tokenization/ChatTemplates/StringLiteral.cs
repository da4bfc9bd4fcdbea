using System.Globalization;
using System.Text;

namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>Reads the escapes of Python's string literals.</summary>
internal static class StringLiteral
{
    private const string Simple = "\\'\"abfnrtv";
    private const string Meanings = "\\'\"\a\b\f\n\r\t\v";

    public static string NormalizeNewlines(string text) =>
        text.Contains('\r', StringComparison.Ordinal) ? text.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n') : text;

    public static string Unescape(string body, int line)
    {
        if (!body.Contains('\\', StringComparison.Ordinal))
        {
            return body;
        }
        StringBuilder text = new(body.Length);
        for (int i = 0; i < body.Length; i++)
        {
            if (body[i] != '\\')
            {
                text.Append(body[i]);
                continue;
            }
            char kind = body[++i];
            i += kind switch
            {
                '\n' => 0,
                'x' => Code(text, body, i, 2, line),
                'u' => Code(text, body, i, 4, line),
                'U' => Code(text, body, i, 8, line),
                >= '0' and <= '7' => Octal(text, body, i),
                _ => Plain(text, kind),
            };
        }
        return text.ToString();
    }

    private static int Plain(StringBuilder text, char kind)
    {
        _ = Simple.IndexOf(kind) is >= 0 and var at ? text.Append(Meanings[at]) : text.Append('\\').Append(kind);
        return 0;
    }

    private static int Octal(StringBuilder text, string body, int at)
    {
        int length = 1;
        while (length < 3 && at + length < body.Length && body[at + length] is >= '0' and <= '7')
        {
            length++;
        }
        text.Append((char)Convert.ToInt32(body.Substring(at, length), 8));
        return length - 1;
    }

    private static int Code(StringBuilder text, string body, int at, int digits, int line)
    {
        if (at + digits >= body.Length
            || !uint.TryParse(body.AsSpan(at + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint code)
            || code > 0x10FFFF)
        {
            throw new ChatTemplateException($"the escape '\\{body[at]}' of a string; expected {digits} hexadecimal digits of a character", line);
        }
        _ = code > 0xFFFF ? text.Append(char.ConvertFromUtf32((int)code)) : text.Append((char)code);
        return digits;
    }
}
