using System.Text;

namespace Microsoft.ML.Peft.Tokenization;

/// <summary>GPT-2's printable stand-ins for the 256 bytes.</summary>
internal static class ByteAlphabet
{
    private static readonly char[] ToCharacter = Create();

    private static readonly Dictionary<char, byte> ToByte =
        Enumerable.Range(0, 256).ToDictionary(value => ToCharacter[value], value => (byte)value);

    public static char Character(byte value) => ToCharacter[value];

    /// <summary>The bytes a token stands for; a character outside the alphabet stands for itself.</summary>
    public static IEnumerable<byte> Bytes(string token)
    {
        return token.All(ToByte.ContainsKey) ? token.Select(character => ToByte[character]) : System.Text.Encoding.UTF8.GetBytes(token);
    }

    private static char[] Create()
    {
        char[] characters = new char[256];
        int next = 256;
        for (int value = 0; value < 256; value++)
        {
            bool printable = value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
            characters[value] = (char)(printable ? value : next++);
        }
        return characters;
    }
}

/// <summary>
/// Cuts as GPT-2 does. The bytes themselves are written by <see cref="PieceEncoder"/>, so that its cache is looked up by plain text.
/// </summary>
internal sealed class ByteLevelPreTokenizer(bool addPrefixSpace, bool split) : IPreTokenizer
{
    public void Apply(Pieces pieces)
    {
        if (addPrefixSpace)
        {
            bool continues = pieces.Text.Continues;
            pieces.Rewrite((builder, text, range) => Prefix(builder, text, range, continues && range.Start.Value == 0));
        }
        if (split)
        {
            pieces.Split(Words, SplitBehavior.Isolated);
        }
    }

    private static void Prefix(AlignedBuilder builder, string text, Range range, bool continues)
    {
        if (!continues && !text.AsSpan(range).StartsWith(" "))
        {
            builder.Add(' ', range.Start.Value, range.Start.Value);
        }
        builder.Keep(range.Start.Value, range.End.Value);
    }

    /// <summary>The words of a text. By hand rather than by .NET's regular expressions: several times faster, and right beyond the basic plane.</summary>
    public static List<Range> Words(string text)
    {
        List<Range> words = new(text.Length / 4);
        for (int i = 0; i < text.Length;)
        {
            int end = WordEnd(text, i);
            words.Add(i..end);
            i = end;
        }
        return words;
    }

    private static int WordEnd(string text, int start)
    {
        int contraction = ContractionLength(text.AsSpan(start));
        if (contraction > 0)
        {
            return start + contraction;
        }
        int body = text[start] == ' ' && start + 1 < text.Length ? start + 1 : start;
        Kind kind = KindAt(text, body);
        if (kind != Kind.Space)
        {
            return RunEnd(text, body, kind);
        }
        int end = RunEnd(text, start, Kind.Space);
        // The last space of a run belongs to the word that follows it.
        return end < text.Length && end - start > 1 ? end - 1 : end;
    }

    private static int ContractionLength(ReadOnlySpan<char> text)
    {
        if (text.Length < 2 || text[0] != '\'')
        {
            return 0;
        }
        if (text[1] is 's' or 't' or 'm' or 'd')
        {
            return 2;
        }
        return text.Length > 2 && text.Slice(1, 2) is "re" or "ve" or "ll" ? 3 : 0;
    }

    private static int RunEnd(string text, int index, Kind kind)
    {
        while (index < text.Length && KindAt(text, index) == kind)
        {
            index += char.IsHighSurrogate(text[index]) ? 2 : 1;
        }
        return index;
    }

    private static Kind KindAt(string text, int index)
    {
        char character = text[index];
        if (char.IsAscii(character))
        {
            return char.IsAsciiLetter(character) ? Kind.Letter
                : char.IsAsciiDigit(character) ? Kind.Number
                : char.IsWhiteSpace(character) ? Kind.Space : Kind.Other;
        }
        Rune rune = Characters.At(text, index);
        return Rune.IsLetter(rune) ? Kind.Letter
            : Rune.IsNumber(rune) ? Kind.Number
            : Rune.IsWhiteSpace(rune) ? Kind.Space : Kind.Other;
    }

    private enum Kind
    {
        Letter,
        Number,
        Space,
        Other,
    }
}
