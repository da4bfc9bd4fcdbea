using System.Text;

namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>Texts as Python sees them, by code point: lengths, positions and slices do not count halves of a surrogate pair.</summary>
internal static class Characters32
{
    public const string Spaces =
        "\t\n\v\f\r\u001c\u001d\u001e\u001f \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000";

    public static bool IsSpace(char c) => c <= ' ' ? c is ' ' or >= '\t' and <= '\r' or >= '\x1c' and <= '\x1f' : char.IsWhiteSpace(c);

    public static int Length(string text)
    {
        int pairs = 0;
        for (int i = 0; i + 1 < text.Length; i++)
        {
            if (char.IsSurrogatePair(text[i], text[i + 1]))
            {
                pairs++;
                i++;
            }
        }
        return text.Length - pairs;
    }

    /// <summary>One string for each code point.</summary>
    public static List<string> Split(string text)
    {
        List<string> characters = new(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            bool pair = i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]);
            characters.Add(pair ? text.Substring(i++, 2) : text[i].ToString());
        }
        return characters;
    }

    /// <summary>The index in UTF-16 of the code point of that number.</summary>
    public static int Offset(string text, int index)
    {
        int at = 0;
        for (; index > 0 && at < text.Length; index--)
        {
            at += at + 1 < text.Length && char.IsSurrogatePair(text[at], text[at + 1]) ? 2 : 1;
        }
        return at;
    }

    public static string Pick(string text, SliceRange range)
    {
        if (range.Step == 1)
        {
            int start = Offset(text, range.Start);
            return text.Substring(start, Offset(text[start..], range.Count));
        }
        List<string> characters = Split(text);
        StringBuilder picked = new(range.Count);
        foreach (int index in range.Indices())
        {
            picked.Append(characters[index]);
        }
        return picked.ToString();
    }

    public static int Compare(string a, string b)
    {
        int i = 0;
        while (i < a.Length && i < b.Length && a[i] == b[i])
        {
            i++;
        }
        if (i == a.Length || i == b.Length)
        {
            return a.Length.CompareTo(b.Length);
        }
        return char.IsSurrogate(a[i]) == char.IsSurrogate(b[i]) ? a[i].CompareTo(b[i]) : char.IsSurrogate(a[i]) ? 1 : -1;
    }
}

/// <summary>What Python's slice(start, stop, step) picks of a sequence.</summary>
internal readonly record struct SliceRange(int Start, int Count, int Step)
{
    public static SliceRange Of(int? start, int? stop, int? step, int length)
    {
        int by = step ?? 1;
        (int low, int high) = by > 0 ? (0, length) : (-1, length - 1);
        int first = start is { } a ? Bound(a, length, low, high) : by > 0 ? low : high;
        int last = stop is { } b ? Bound(b, length, low, high) : by > 0 ? high : low;
        long span = by > 0 ? (long)last - first : (long)first - last;
        long stride = Math.Abs((long)by);
        return new SliceRange(first, span > 0 ? (int)((span + stride - 1) / stride) : 0, by);
    }

    public IEnumerable<int> Indices()
    {
        long index = Start;
        for (int i = 0; i < Count; i++, index += Step)
        {
            yield return (int)index;
        }
    }

    private static int Bound(int index, int length, int low, int high) =>
        (int)Math.Clamp(index < 0 ? (long)index + length : index, low, high);
}
