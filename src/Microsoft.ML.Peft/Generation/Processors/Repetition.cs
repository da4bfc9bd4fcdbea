using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Generation.Processors;

/// <summary>Tokens that the row has: a positive score is divided by the penalty, a negative one multiplied (Keskar et al. 2019).</summary>
internal sealed class RepetitionPenalty(double penalty) : ILogitsProcessor
{
    public Tensor Apply(Tensor scores, IReadOnlyList<TokenSequence> rows)
    {
        Tensor ids = Gather(rows).to(scores.device);
        Tensor had = scores.gather(1, ids);
        return scores.scatter(1, ids, where(had < 0, had * penalty, had / penalty));
    }

    // A shorter row repeats its first token: each is penalised once, however often it stands there.
    private static Tensor Gather(IReadOnlyList<TokenSequence> rows)
    {
        int width = rows.Max(row => row.Length);
        long[] ids = new long[rows.Count * width];
        for (int row = 0; row < rows.Count; row++)
        {
            Span<long> target = ids.AsSpan(row * width, width);
            ReadOnlySpan<int> source = rows[row].Ids;
            target.Fill(source[0]);
            for (int i = 0; i < source.Length; i++)
                target[i] = source[i];
        }
        return tensor(ids, [rows.Count, width], ScalarType.Int64, CPU);
    }
}

/// <summary>Bans the tokens that would complete a run of <paramref name="size"/> tokens which the row has already.</summary>
internal sealed class NoRepeatNgram(int size) : ILogitsProcessor
{
    public Tensor Apply(Tensor scores, IReadOnlyList<TokenSequence> rows) =>
        scores.Without(rows.SelectMany((row, index) => Completing(row.Ids).Select(token => (index, token))));

    private List<int> Completing(ReadOnlySpan<int> ids)
    {
        List<int> found = [];
        int before = size - 1;
        if (ids.Length < before)
            return found;
        ReadOnlySpan<int> end = ids[^before..];
        for (int i = before; i < ids.Length; i++)
        {
            if (ids[(i - before)..i].SequenceEqual(end))
                found.Add(ids[i]);
        }
        return found;
    }
}
