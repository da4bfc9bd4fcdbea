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
