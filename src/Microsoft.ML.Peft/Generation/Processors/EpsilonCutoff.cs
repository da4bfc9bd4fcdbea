using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Generation.Processors;

/// <summary>Tokens with at least the probability <paramref name="epsilon"/> (Hewitt et al. 2022).</summary>
internal sealed class EpsilonCutoff(double epsilon) : ILogitsProcessor
{
    public Tensor Apply(Tensor scores, IReadOnlyList<TokenSequence> rows) =>
        scores.WithoutBelow(scores.softmax(-1), full([1], epsilon, dtype: scores.dtype, device: scores.device));
}
