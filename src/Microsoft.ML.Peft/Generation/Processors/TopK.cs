using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Generation.Processors;

/// <summary>The <paramref name="k"/> likeliest tokens, and those that equal the last of them.</summary>
internal sealed class TopK(int k) : ILogitsProcessor
{
    public Tensor Apply(Tensor scores, IReadOnlyList<TokenSequence> rows)
    {
        var (best, _) = scores.topk((int)Math.Min(k, scores.shape[1]));
        return scores.Without(scores < best.narrow(1, best.shape[1] - 1, 1));
    }
}
