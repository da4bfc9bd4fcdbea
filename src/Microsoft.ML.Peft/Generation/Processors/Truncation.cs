using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Generation.Processors;

/// <summary>The <paramref name="k"/> likeliest tokens, and those that equal the last of them.</summary>
internal sealed class TopK(int k) : ILogitsProcessor
{
    public Tensor Apply(Tensor scores, IReadOnlyList<TokenSequence> rows)
    {
        var (best, _) = scores.topk((int)Math.Min(k, scores.size(1)));
        return scores.Without(scores < best.narrow(1, best.size(1) - 1, 1));
    }
}

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

/// <summary>Tokens with at least <paramref name="share"/> of the likeliest token's probability (Nguyen et al. 2024).</summary>
internal sealed class MinP(double share) : ILogitsProcessor
{
    public Tensor Apply(Tensor scores, IReadOnlyList<TokenSequence> rows)
    {
        Tensor probabilities = scores.softmax(-1);
        return scores.WithoutBelow(probabilities, probabilities.amax([-1], keepdim: true) * share);
    }
}

/// <summary>The tokens whose information is nearest to the entropy, until they come to <paramref name="mass"/> (Meister et al. 2022).</summary>
internal sealed class TypicalP(double mass) : ILogitsProcessor
{
    public Tensor Apply(Tensor scores, IReadOnlyList<TokenSequence> rows)
    {
        Tensor information = -scores.log_softmax(-1);
        Tensor entropy = (information * (-information).exp()).nan_to_num(0).sum(-1, keepdim: true);
        var (distance, order) = (information - entropy).abs().sort(-1);
        Tensor mounting = scores.gather(-1, order).softmax(-1).cumsum(-1);
        Tensor last = (mounting < mass).sum(1, keepdim: true).clamp(max: scores.size(1) - 1);
        Tensor unwanted = distance > distance.gather(1, last);
        unwanted.narrow(1, 0, 1).fill_(false);
        return scores.Without(unwanted.scatter(1, order, unwanted));
    }
}

/// <summary>Tokens with at least the probability <paramref name="epsilon"/> (Hewitt et al. 2022).</summary>
internal sealed class EpsilonCutoff(double epsilon) : ILogitsProcessor
{
    public Tensor Apply(Tensor scores, IReadOnlyList<TokenSequence> rows) =>
        scores.WithoutBelow(scores.softmax(-1), full([1], epsilon, dtype: scores.dtype, device: scores.device));
}

/// <summary>Tokens with at least the probability min(ε, √ε·exp(−entropy)) (Hewitt et al. 2022).</summary>
internal sealed class EtaCutoff(double epsilon) : ILogitsProcessor
{
    public Tensor Apply(Tensor scores, IReadOnlyList<TokenSequence> rows)
    {
        Tensor probabilities = scores.softmax(-1);
        Tensor entropy = -(scores.log_softmax(-1) * probabilities).nan_to_num(0).sum(-1, keepdim: true);
        Tensor cutoff = ((-entropy).exp() * Math.Sqrt(epsilon)).clamp_max(epsilon);
        return scores.WithoutBelow(probabilities, cutoff);
    }
}
