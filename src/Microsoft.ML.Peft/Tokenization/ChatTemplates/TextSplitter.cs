namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>How Python's str splits.</summary>
internal static class TextSplitter
{
    public static List<string> Split(string text, string separator, bool given, int limit)
    {
        if (given)
        {
            return SplitBy(text, Checked(separator), limit);
        }
        List<string> words = [];
        int at = Skip(text, 0);
        for (; at < text.Length && (limit < 0 || words.Count < limit); at = Skip(text, at))
        {
            int start = at;
            while (at < text.Length && !Characters32.IsSpace(text[at]))
            {
                at++;
            }
            words.Add(text[start..at]);
        }
        if (at < text.Length)
        {
            words.Add(text[at..]);
        }
        return words;
    }

    public static List<string> SplitRight(string text, string separator, bool given, int limit)
    {
        if (limit < 0)
        {
            return Split(text, separator, given, -1);
        }
        // Mirrored: what is split from the right is the reversed text split from the left.
        List<string> parts = Split(Reverse(text), Reverse(separator), given, limit);
        parts.Reverse();
        return parts.ConvertAll(Reverse);
    }

    public static List<string> Lines(string text, bool keepEnds)
    {
        List<string> lines = [];
        for (int at = 0; at < text.Length;)
        {
            int end = at;
            while (end < text.Length && !IsLineEnd(text[end]))
            {
                end++;
            }
            int next = end == text.Length ? end : end + (text[end] == '\r' && end + 1 < text.Length && text[end + 1] == '\n' ? 2 : 1);
            lines.Add(text[at..(keepEnds ? next : end)]);
            at = next;
        }
        return lines;
    }

    public static ListValue Partition(string text, string separator, bool fromEnd)
    {
        int at = fromEnd ? text.LastIndexOf(Checked(separator), StringComparison.Ordinal) : text.IndexOf(Checked(separator), StringComparison.Ordinal);
        string[] parts = at >= 0 ? [text[..at], separator, text[(at + separator.Length)..]]
            : fromEnd ? ["", "", text]
            : [text, "", ""];
        return new ListValue([.. parts.Select(part => new TextValue(part))], ListKind.Tuple);
    }

    private static List<string> SplitBy(string text, string separator, int limit) =>
        [.. limit < 0 || limit == int.MaxValue ? text.Split(separator) : text.Split(separator, limit + 1)];

    private static string Checked(string separator) => separator.Length > 0 ? separator : throw new ChatTemplateException("empty separator");

    private static int Skip(string text, int at)
    {
        while (at < text.Length && Characters32.IsSpace(text[at]))
        {
            at++;
        }
        return at;
    }

    private static bool IsLineEnd(char c) => c is >= '\n' and <= '\r' or >= '\x1c' and <= '\x1e' or '\x85' or '\u2028' or '\u2029';

    private static string Reverse(string text)
    {
        char[] reversed = text.ToCharArray();
        Array.Reverse(reversed);
        return new string(reversed);
    }
}
