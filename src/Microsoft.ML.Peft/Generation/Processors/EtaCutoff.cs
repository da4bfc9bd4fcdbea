using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Generation.Processors;

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
