using System.Text;
using System.Text.RegularExpressions;

namespace Microsoft.ML.Peft.Tokenization;

/// <summary>Finds the parts of a text that a tokenizer's pattern names.</summary>
internal interface IPattern
{
    List<Range> Matches(string text);
}

internal sealed class LiteralPattern(string literal) : IPattern
{
    public List<Range> Matches(string text)
    {
        List<Range> matches = [];
        int from = 0;
        while (literal.Length > 0 && (from = text.IndexOf(literal, from, StringComparison.Ordinal)) >= 0)
        {
            matches.Add(from..(from + literal.Length));
            from += literal.Length;
        }
        return matches;
    }
}

/// <summary>
/// A regular expression over code points. .NET matches UTF-16 units, so that <c>\p{L}</c> misses letters beyond the basic plane:
/// each is stood in for by a rare character of its own category, and the matches are mapped back.
/// </summary>
internal sealed class RegexPattern : IPattern
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private static readonly string StandIns = CreateStandIns();

    private readonly string _pattern;
    private readonly Lazy<Regex> _regex;

    public RegexPattern(string pattern)
    {
        _pattern = OnigurumaPattern.Translate(pattern);
        // Compiling takes longer than parsing: a tokenizer that is loaded but not used does not pay for it.
        _ = new Regex(_pattern, RegexOptions.CultureInvariant);
        _regex = new(() => new Regex(_pattern, RegexOptions.Compiled | RegexOptions.CultureInvariant, Patience));
    }

    public List<Range> Matches(string text)
    {
        int[]? places = null;
        string subject = text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') < 0 ? text : StandIn(text, out places);
        List<Range> matches = [];
        try
        {
            foreach (ValueMatch match in _regex.Value.EnumerateMatches(subject))
            {
                int end = match.Index + match.Length;
                matches.Add(places is null ? match.Index..end : places[match.Index]..places[end]);
            }
        }
        catch (RegexMatchTimeoutException)
        {
            throw new InvalidDataException($"The tokenizer's pattern '{_pattern}' takes too long on a text of {text.Length} characters.");
        }
        return matches;
    }

    private static string StandIn(string text, out int[] places)
    {
        char[] characters = new char[text.Length];
        places = new int[text.Length + 1];
        int count = 0;
        for (int i = 0; i < text.Length;)
        {
            Rune rune = Characters.At(text, i);
            places[count] = i;
            characters[count++] = rune.IsBmp ? (char)rune.Value : StandIns[(int)Rune.GetUnicodeCategory(rune)];
            i += rune.Utf16SequenceLength;
        }
        places[count] = text.Length;
        return new string(characters, 0, count);
    }

    // The last character of each category is a rare one, least likely to be named in a pattern.
    private static string CreateStandIns()
    {
        char[] standIns = new char[30];
        for (int code = 0x80; code < 0xFFFE; code++)
        {
            standIns[(int)char.GetUnicodeCategory((char)code)] = (char)code;
        }
        return new string(standIns);
    }
}
