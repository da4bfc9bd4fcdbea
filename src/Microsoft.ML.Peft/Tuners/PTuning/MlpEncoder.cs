using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.PTuning;

/// <summary>Linear layers with ReLU between them.</summary>
internal sealed class MlpEncoder : TableNetwork
{
    private readonly Parameter _embedding;
    private readonly NetworkLayer[] _layers;

    /// <param name="weights">Makes the weights.</param>
    /// <param name="embedding">[rows, width]</param>
    /// <param name="hidden">The width between them.</param>
    /// <param name="layers">How many.</param>
    public MlpEncoder(NetworkWeights weights, Parameter embedding, long hidden, int layers) : base(weights)
    {
        long width = embedding.Value.size(1);
        _embedding = embedding;
        // Named as modules in a row are, the ReLUs between them counted.
        _layers = [.. Enumerable.Range(0, layers).Select(i => weights.Linear($"mlp_head.{2 * i}", i == 0 ? width : hidden, i == layers - 1 ? width : hidden))];
    }

    public override Tensor Forward(DropoutSeeds? seeds)
    {
        Tensor states = _layers[0].Forward(_embedding.Value);
        foreach (NetworkLayer layer in _layers.Skip(1))
            states = layer.Forward(states.relu());
        return states;
    }
}
