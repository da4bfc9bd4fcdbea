using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Generation.Processors;

/// <summary>Tokens with at least <paramref name="share"/> of the likeliest token's probability (Nguyen et al. 2024).</summary>
internal sealed class MinP(double share) : ILogitsProcessor
{
    public Tensor Apply(Tensor scores, IReadOnlyList<TokenSequence> rows)
    {
        Tensor probabilities = scores.softmax(-1);
        return scores.WithoutBelow(probabilities, probabilities.amax([-1], keepdim: true) * share);
    }
}
