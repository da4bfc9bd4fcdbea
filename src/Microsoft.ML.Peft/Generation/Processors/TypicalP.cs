using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Generation.Processors;

/// <summary>The tokens whose information is nearest to the entropy, until they come to <paramref name="mass"/> (Meister et al. 2022).</summary>
internal sealed class TypicalP(double mass) : ILogitsProcessor
{
    public Tensor Apply(Tensor scores, IReadOnlyList<TokenSequence> rows)
    {
        Tensor information = -scores.log_softmax(-1);
        Tensor entropy = (information * (-information).exp()).nan_to_num(0).sum(-1, keepdim: true);
        var (distance, order) = (information - entropy).abs().sort(-1);
        Tensor mounting = scores.gather(-1, order).softmax(-1).cumsum(-1);
        Tensor last = (mounting < mass).sum(1, keepdim: true).clamp(max: scores.shape[1] - 1);
        Tensor unwanted = distance > distance.gather(1, last);
        unwanted.narrow(1, 0, 1).fill_(false);
        return scores.Without(unwanted.scatter(1, order, unwanted));
    }
}
