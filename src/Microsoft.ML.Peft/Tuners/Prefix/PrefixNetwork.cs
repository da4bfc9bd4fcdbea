using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Prefix;

/// <summary>Prefix tuning's two layers, with a tanh between them.</summary>
internal sealed class PrefixNetwork : TableNetwork
{
    private readonly Parameter _embedding;
    private readonly NetworkLayer _inner, _outer;

    /// <param name="weights">Makes the weights.</param>
    /// <param name="embedding">[tokens, width]</param>
    /// <param name="hidden">The width of the inner layer.</param>
    /// <param name="outputs">The width of the table.</param>
    /// <param name="isZero">Whether the outer layer starts at zero.</param>
    public PrefixNetwork(NetworkWeights weights, Parameter embedding, long hidden, long outputs, bool isZero) : base(weights)
    {
        _embedding = embedding;
        _inner = weights.Linear("transform.0", embedding.Value.size(1), hidden);
        _outer = weights.Linear("transform.2", hidden, outputs);
        if (isZero)
        {
            _outer.Weight.Value.zero_();
            _outer.Bias.Value.zero_();
        }
    }

    public override Tensor Forward(DropoutSeeds? seeds) => _outer.Forward(_inner.Forward(_embedding.Value).tanh());
}
