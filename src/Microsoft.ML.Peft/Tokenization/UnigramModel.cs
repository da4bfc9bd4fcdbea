namespace Microsoft.ML.Peft.Tokenization;

/// <summary>
/// The most probable cut of a piece (Viterbi). Microsoft.ML.Tokenizers' core fails on models without a start token, such as T5's.
/// </summary>
internal sealed class UnigramModel : ITokenModel
{
    private const double UnknownPenalty = 10;

    private readonly PrefixIndex _index;
    private readonly double[] _scores;
    private readonly double _unknownScore;
    private readonly Unknowns _unknowns;

    /// <param name="pieces">The vocabulary in the order of its ids.</param>
    /// <param name="isMatched">Says which of the pieces can occur in text.</param>
    /// <param name="unknowns">What is written where no piece matches.</param>
    public UnigramModel(IReadOnlyList<(string Piece, double Score)> pieces, Func<int, bool> isMatched, Unknowns unknowns)
    {
        IEnumerable<int> matched = Enumerable.Range(0, pieces.Count).Where(isMatched);
        Dictionary<string, int> vocabulary = [];
        foreach (int id in matched)
        {
            vocabulary[pieces[id].Piece] = id;
        }
        _index = new PrefixIndex(vocabulary);
        _scores = [.. pieces.Select(piece => piece.Score)];
        _unknownScore = (vocabulary.Count == 0 ? 0 : vocabulary.Values.Min(id => _scores[id])) - UnknownPenalty;
        _unknowns = unknowns;
        BreaksAtWordMark = WordMarks.BreakBefore(vocabulary);
    }

    public bool BreaksAtWordMark { get; }

    public void Encode(ReadOnlySpan<char> piece, List<Token> output, bool continues = false)
    {
        Step[] best = new Step[piece.Length + 1];
        for (int start = 0; start < piece.Length;)
        {
            int single = Characters.At(piece, start).Utf16SequenceLength;
            Extend(piece, start, single, best);
            start += single;
        }
        Stack<Token> path = new();
        for (int end = piece.Length; end > 0; end = best[end].Start)
        {
            path.Push(new Token(best[end].Id, best[end].Start, end));
        }
        foreach (Token token in path)
        {
            Write(piece, token, output);
        }
    }

    private void Extend(ReadOnlySpan<char> piece, int start, int single, Step[] best)
    {
        bool hasSingle = false;
        PrefixIndex.Walk walk = _index.Begin();
        for (int end = start + 1; end <= piece.Length && walk.Step(piece[end - 1]); end++)
        {
            if (walk.TryMatch(out int id))
            {
                hasSingle |= end == start + single;
                best[end].Offer(start, id, best[start].Score + _scores[id]);
            }
        }
        if (!hasSingle)
        {
            best[start + single].Offer(start, -1, best[start].Score + _unknownScore);
        }
    }

    private void Write(ReadOnlySpan<char> piece, Token token, List<Token> output)
    {
        if (token.Id < 0)
        {
            _unknowns.Add(Characters.At(piece, token.Start), token.Start, token.End, output);
        }
        else
        {
            output.Add(token);
        }
    }

    private struct Step
    {
        private bool _reached;

        public int Start { get; private set; }

        public int Id { get; private set; }

        public double Score { get; private set; }

        public void Offer(int start, int id, double score)
        {
            if (!_reached || score > Score)
            {
                (_reached, Start, Id, Score) = (true, start, id, score);
            }
        }
    }
}
