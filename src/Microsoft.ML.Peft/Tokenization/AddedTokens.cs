using System.Buffers;
using System.Text;

namespace Microsoft.ML.Peft.Tokenization;

internal sealed record AddedToken(int Id, string Content)
{
    public bool Special { get; init; }

    public bool SingleWord { get; init; }

    public bool StripLeft { get; init; }

    public bool StripRight { get; init; }

    public bool Normalized { get; init; }

    /// <summary>False for tokens that text never yields, only the template does.</summary>
    public bool Matched { get; init; } = true;
}

/// <summary>A stretch of text: an added token, or text between them where <see cref="Id"/> is negative.</summary>
internal readonly record struct TextSegment(int Start, int End, int Id);

/// <summary>Finds added tokens in text, the leftmost first and of these the longest.</summary>
internal sealed class AddedTokenMatcher
{
    private readonly AddedToken[] _tokens;
    private readonly PrefixIndex _index;
    private readonly SearchValues<char> _firstCharacters;

    public AddedTokenMatcher(IEnumerable<AddedToken> tokens, Func<string, string> normalize)
    {
        _tokens = [.. tokens];
        Dictionary<string, int> entries = [];
        for (int i = 0; i < _tokens.Length; i++)
        {
            entries.TryAdd(normalize(_tokens[i].Content), i);
        }
        _index = new PrefixIndex(entries);
        _firstCharacters = SearchValues.Create([.. _index.FirstCharacters]);
    }

    public List<TextSegment> Split(string text)
    {
        List<TextSegment> segments = [];
        int done = 0;
        for (int at = NextCandidate(text, 0); at < text.Length; at = NextCandidate(text, at))
        {
            if (!_index.TryLongest(text.AsSpan(at), out int match, out int length) || !Fits(_tokens[match], text, at, at + length))
            {
                at += Math.Max(1, length);
                continue;
            }
            (int start, int end) = Widen(_tokens[match], text, at, at + length, done);
            AddGap(segments, done, start);
            segments.Add(new TextSegment(start, end, _tokens[match].Id));
            done = at = end;
        }
        AddGap(segments, done, text.Length);
        return segments;
    }

    private int NextCandidate(string text, int from)
    {
        int found = text.AsSpan(from).IndexOfAny(_firstCharacters);
        return found < 0 ? text.Length : from + found;
    }

    private static bool Fits(AddedToken token, string text, int start, int end)
    {
        if (!token.SingleWord)
        {
            return true;
        }
        bool wordBefore = start > 0 && Rune.DecodeLastFromUtf16(text.AsSpan(0, start), out Rune before, out _) == OperationStatus.Done
            && Characters.IsWord(before);
        return !wordBefore && (end == text.Length || !Characters.IsWord(Characters.At(text, end)));
    }

    private static (int Start, int End) Widen(AddedToken token, string text, int start, int end, int done)
    {
        while (token.StripLeft && start > done && char.IsWhiteSpace(text[start - 1]))
        {
            start--;
        }
        while (token.StripRight && end < text.Length && char.IsWhiteSpace(text[end]))
        {
            end++;
        }
        return (start, end);
    }

    private static void AddGap(List<TextSegment> segments, int start, int end)
    {
        if (end > start)
        {
            segments.Add(new TextSegment(start, end, -1));
        }
    }
}
