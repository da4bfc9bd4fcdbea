using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.PTuning;

/// <summary>Three linear layers with ReLU between them.</summary>
internal sealed class MlpEncoder : TableNetwork
{
    private readonly Parameter _embedding;
    private readonly NetworkLayer[] _layers;

    /// <param name="weights">Makes the weights.</param>
    /// <param name="embedding">[rows, width]</param>
    /// <param name="hidden">The width of the inner layers.</param>
    public MlpEncoder(NetworkWeights weights, Parameter embedding, long hidden) : base(weights)
    {
        long width = embedding.Value.size(1);
        _embedding = embedding;
        _layers = [weights.Linear("mlp_head.0", width, hidden), weights.Linear("mlp_head.2", hidden, hidden), weights.Linear("mlp_head.4", hidden, width)];
    }

    public override Tensor Forward(DropoutSeeds? seeds) => _layers[2].Forward(_layers[1].Forward(_layers[0].Forward(_embedding.Value).relu()).relu());
}
