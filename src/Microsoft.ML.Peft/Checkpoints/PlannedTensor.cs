using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>A tensor that is made when it is written, so that no two exist at a time.</summary>
internal sealed record PlannedTensor(string Name, ScalarType Type, long[] Shape, Func<Tensor> Make)
{
    public long Bytes => Shape.Aggregate(1L, (product, size) => product * size) * Type.ElementSize();
}
