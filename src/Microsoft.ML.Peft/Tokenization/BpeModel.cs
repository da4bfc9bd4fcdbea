using System.Runtime.InteropServices;
using System.Text;

namespace Microsoft.ML.Peft.Tokenization;

/// <summary>The rank of a merge, the lowest first, and the token it makes.</summary>
internal readonly record struct Merge(int Rank, int Id);

/// <summary>What a byte-pair model is made of.</summary>
internal sealed record BpeParts(
    IReadOnlyDictionary<string, int> Vocabulary, IReadOnlyDictionary<(int Left, int Right), Merge> Merges, Unknowns Unknowns)
{
    public string ContinuingPrefix { get; init; } = "";

    public string EndOfWordSuffix { get; init; } = "";

    public bool IgnoreMerges { get; init; }
}

/// <summary>
/// Byte-pair encoding with a queue of merges, n log n in the length of the piece.
/// Microsoft.ML.Tokenizers' core lacks byte fallback and ignore_merges, and files without a pre-tokenizer hand it whole texts.
/// </summary>
internal sealed class BpeModel(BpeParts parts) : ITokenModel
{
    private readonly IReadOnlyDictionary<string, int> _vocabulary = parts.Vocabulary;

    public bool BreaksAtWordMark { get; } = WordMarks.BreakBefore(parts.Vocabulary);

    public void Encode(ReadOnlySpan<char> piece, List<Token> output, bool continues = false)
    {
        if (parts.IgnoreMerges && _vocabulary.TryGetValue(piece.ToString(), out int whole))
        {
            output.Add(new Token(whole, 0, piece.Length));
            return;
        }
        List<Token> symbols = Symbols(piece, continues);
        if (symbols.Count > 1)
        {
            new Merger(CollectionsMarshal.AsSpan(symbols), parts.Merges).Run(output);
        }
        else
        {
            output.AddRange(symbols);
        }
    }

    private List<Token> Symbols(ReadOnlySpan<char> piece, bool continues)
    {
        List<Token> symbols = new(piece.Length);
        for (int i = 0; i < piece.Length;)
        {
            Rune rune = Characters.At(piece, i);
            int end = i + rune.Utf16SequenceLength;
            string prefix = i > 0 || continues ? parts.ContinuingPrefix : "";
            string suffix = end == piece.Length ? parts.EndOfWordSuffix : "";
            if (_vocabulary.TryGetValue(prefix + rune + suffix, out int id))
            {
                symbols.Add(new Token(id, i, end));
            }
            else
            {
                parts.Unknowns.Add(rune, i, end, symbols);
            }
            i = end;
        }
        return symbols;
    }

    /// <summary>The symbols of one piece as a linked list that shrinks merge by merge.</summary>
    private ref struct Merger(Span<Token> symbols, IReadOnlyDictionary<(int Left, int Right), Merge> merges)
    {
        private readonly Span<Token> _symbols = symbols;
        private readonly int[] _next = new int[symbols.Length];
        private readonly int[] _previous = new int[symbols.Length];
        private readonly PriorityQueue<(int Left, int Right, (int, int) Ids, int Made), long> _queue = new();

        public readonly void Run(List<Token> output)
        {
            for (int i = 0; i < _symbols.Length; i++)
            {
                _previous[i] = i - 1;
                _next[i] = i + 1;
                Propose(i - 1, i);
            }
            while (_queue.TryDequeue(out (int Left, int Right, (int, int) Ids, int Made) merge, out _))
            {
                if (_next[merge.Left] == merge.Right && (_symbols[merge.Left].Id, _symbols[merge.Right].Id) == merge.Ids)
                {
                    Join(merge.Left, merge.Right, merge.Made);
                }
            }
            for (int i = 0; i < _symbols.Length; i = _next[i])
            {
                output.Add(_symbols[i]);
            }
        }

        private readonly void Join(int left, int right, int id)
        {
            _symbols[left] = new Token(id, _symbols[left].Start, _symbols[right].End);
            int after = _next[right];
            _next[left] = after;
            _next[right] = -1;
            if (after < _symbols.Length)
            {
                _previous[after] = left;
                Propose(left, after);
            }
            Propose(_previous[left], left);
        }

        private readonly void Propose(int left, int right)
        {
            if (left >= 0 && merges.TryGetValue((_symbols[left].Id, _symbols[right].Id), out Merge merge))
            {
                long priority = ((long)merge.Rank << 32) | (uint)left;
                _queue.Enqueue((left, right, (_symbols[left].Id, _symbols[right].Id), merge.Id), priority);
            }
        }
    }
}

internal static class WordMarks
{
    /// <summary>
    /// True if the word mark is a token and no token has one behind another character: words may then be encoded one by one,
    /// with the same result and with the help of the cache.
    /// </summary>
    public static bool BreakBefore(IReadOnlyDictionary<string, int> vocabulary) =>
        vocabulary.ContainsKey(Characters.WordMark.ToString()) && !vocabulary.Keys.Any(HasInnerMark);

    private static bool HasInnerMark(string token) => token.AsSpan().TrimStart(Characters.WordMark).Contains(Characters.WordMark);
}
