using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.PTuning;

/// <summary>
/// Vectors with a network over them beside them: what it makes is added, and is nothing at first (residual prompt tuning, Razdaibiedina et al. 2023). A network with its
/// first values would make nothing of the real tokens that its input starts from.
/// </summary>
internal sealed class BesideVectors : TableNetwork
{
    /// <summary>The network's rate against the vectors': each of its weights moves the whole table, and at one rate it would carry them off before they have learnt.</summary>
    private const double Rate = 0.01;

    private readonly Parameter _vectors;
    private readonly TableNetwork _network;

    /// <param name="weights">The vectors and the network's weights, its last layer last.</param>
    /// <param name="vectors">[rows, width]</param>
    /// <param name="network">Made of those weights.</param>
    public BesideVectors(NetworkWeights weights, Parameter vectors, TableNetwork network) : base(weights)
    {
        (_vectors, _network) = (vectors, network);
        foreach (Parameter weight in weights.All.Where(weight => weight != vectors))
            weight.LearningRateScale = Rate;
        foreach (Parameter weight in weights.All.TakeLast(2))
            weight.Value.zero_();
    }

    public override bool DropsOut => _network.DropsOut;

    public override Tensor Forward(DropoutSeeds? seeds) => _network.Forward(seeds) + _vectors.Value;
}
