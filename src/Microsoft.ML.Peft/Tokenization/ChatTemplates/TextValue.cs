using System.Globalization;
using System.Text;

namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>A text; a safe one (as of the filters <c>safe</c> and <c>escape</c>) escapes what is added to it, as Markup does.</summary>
internal sealed class TextValue(string content, bool safe = false) : Value
{
    public string Content => content;

    public bool Safe => safe;

    public override string Type => "str";

    public override bool IsTrue => content.Length > 0;

    public override int? Length => Characters32.Length(content);

    public override Value? Attribute(string name) =>
        TextMethods.All.TryGetValue(name, out Method<TextValue>? method) ? new BoundMethod<TextValue>(name, this, method) : null;

    public override Value? Item(Value key)
    {
        if (key is not NumberValue { Whole: { } index })
        {
            return null;
        }
        int length = Characters32.Length(content);
        index += index.Sign < 0 ? length : 0;
        return index >= 0 && index < length ? new TextValue(Characters32.Pick(content, new SliceRange((int)index, 1, 1))) : null;
    }

    public override IReadOnlyList<Value> Elements() => [.. Characters32.Split(content).Select(c => new TextValue(c))];

    public override void WriteText(TextBuilder text) => text.Append(content);

    public override void WriteRepr(TextBuilder text)
    {
        char quote = content.Contains('\'', StringComparison.Ordinal) && !content.Contains('"', StringComparison.Ordinal) ? '"' : '\'';
        StringBuilder repr = new StringBuilder().Append(quote);
        foreach (string character in Characters32.Split(content))
        {
            repr.Append(character switch
            {
                "\\" => "\\\\",
                "\n" => "\\n",
                "\r" => "\\r",
                "\t" => "\\t",
                [var c] when c == quote => $"\\{c}",
                _ => IsPrintable(character) ? character : Escape(character),
            });
        }
        text.Append(repr.Append(quote).ToString());
    }

    public static string EscapeHtml(string text) => text
        .Replace("&", "&amp;", StringComparison.Ordinal).Replace(">", "&gt;", StringComparison.Ordinal)
        .Replace("<", "&lt;", StringComparison.Ordinal).Replace("'", "&#39;", StringComparison.Ordinal)
        .Replace("\"", "&#34;", StringComparison.Ordinal);

    private static bool IsPrintable(string character) => character == " " || CharUnicodeInfo.GetUnicodeCategory(character, 0) is not (
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse
        or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator);

    private static string Escape(string character)
    {
        int code = character.Length == 2 ? char.ConvertToUtf32(character[0], character[1]) : character[0];
        return code < 0x100 ? $"\\x{code:x2}" : code < 0x10000 ? $"\\u{code:x4}" : $"\\U{code:x8}";
    }
}
