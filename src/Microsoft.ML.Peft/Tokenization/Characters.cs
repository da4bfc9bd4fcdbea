using System.Globalization;
using System.Text;

namespace Microsoft.ML.Peft.Tokenization;

/// <summary>Character classes by Unicode code point; those of <see cref="char"/> know nothing beyond the basic plane.</summary>
internal static class Characters
{
    public const char WordMark = '\u2581';

    public static Rune At(ReadOnlySpan<char> text, int index)
    {
        Rune.DecodeFromUtf16(text[index..], out Rune rune, out _);
        return rune;
    }

    public static bool IsMark(Rune rune) =>
        rune.Value >= 0x300 && Rune.GetUnicodeCategory(rune)
            is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark;

    public static bool IsNonSpacingMark(Rune rune) =>
        rune.Value >= 0x300 && Rune.GetUnicodeCategory(rune) == UnicodeCategory.NonSpacingMark;

    /// <summary>Punctuation as BERT has it: all ASCII symbols count.</summary>
    public static bool IsPunctuation(Rune rune) =>
        rune.IsAscii ? char.IsPunctuation((char)rune.Value) || char.IsSymbol((char)rune.Value) : Rune.IsPunctuation(rune);

    public static bool IsControl(Rune rune)
    {
        if (rune.IsAscii)
        {
            return (rune.Value < 32 || rune.Value == 127) && rune.Value is not ('\t' or '\n' or '\r');
        }
        return Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format
            or UnicodeCategory.OtherNotAssigned or UnicodeCategory.PrivateUse or UnicodeCategory.Surrogate;
    }

    public static bool IsIdeograph(Rune rune) => rune.Value >= 0x3400 && rune.Value is
        (>= 0x4E00 and <= 0x9FFF) or (>= 0x3400 and <= 0x4DBF) or (>= 0x20000 and <= 0x2A6DF) or (>= 0x2A700 and <= 0x2B73F)
        or (>= 0x2B740 and <= 0x2B81F) or (>= 0x2B920 and <= 0x2CEAF) or (>= 0xF900 and <= 0xFAFF) or (>= 0x2F800 and <= 0x2FA1F);

    /// <summary>What a regular expression calls <c>\w</c>.</summary>
    public static bool IsWord(Rune rune)
    {
        if (rune.IsAscii)
        {
            return char.IsAsciiLetterOrDigit((char)rune.Value) || rune.Value == '_';
        }
        return Rune.IsLetter(rune) || IsMark(rune) || rune.Value is 0x200C or 0x200D
            || Rune.GetUnicodeCategory(rune) is UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber
                or UnicodeCategory.ConnectorPunctuation;
    }

    /// <summary>Lone surrogates are no characters, and .NET's normalisation throws on them: each becomes U+FFFD.</summary>
    public static string WithoutLoneSurrogates(string text)
    {
        int index = FirstLoneSurrogate(text, 0);
        if (index < 0)
        {
            return text;
        }
        char[] clean = text.ToCharArray();
        for (; index >= 0; index = FirstLoneSurrogate(text, index + 1))
        {
            clean[index] = '\uFFFD';
        }
        return new string(clean);
    }

    private static int FirstLoneSurrogate(string text, int from)
    {
        for (int i = from; i < text.Length; i++)
        {
            if (char.IsSurrogate(text[i]))
            {
                if (i + 1 == text.Length || !char.IsSurrogatePair(text[i], text[i + 1]))
                {
                    return i;
                }
                i++;
            }
        }
        return -1;
    }
}
