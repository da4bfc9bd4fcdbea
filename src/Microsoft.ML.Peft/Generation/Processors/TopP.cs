using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Generation.Processors;

/// <summary>The fewest of the likeliest tokens whose probabilities come to <paramref name="p"/> (Holtzman et al. 2019).</summary>
internal sealed class TopP(double p) : ILogitsProcessor
{
    public Tensor Apply(Tensor scores, IReadOnlyList<TokenSequence> rows)
    {
        // After top-k few tokens are left, and sorting them costs little.
        int left = (int)(scores > float.NegativeInfinity).sum(1).max().item<long>();
        if (left <= 1)
            return scores;
        var (sorted, order) = scores.topk(left);
        // Summed from the least likely up, as the reference does: a token goes if it and all below it come to 1 - p at most.
        Tensor tail = sorted.softmax(-1).flip(1).cumsum(1).flip(1);
        Tensor unwanted = tail <= 1 - p;
        unwanted.narrow(1, 0, 1).fill_(false);
        return scores.Without(zeros_like(scores, ScalarType.Bool).scatter(1, order, unwanted));
    }
}
