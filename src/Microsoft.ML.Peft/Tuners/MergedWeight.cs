using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Quantization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners;

/// <summary>What merging makes of one weight, as a checkpoint holds it. The memory of models in use is not touched.</summary>
/// <param name="Name">The weight's full name.</param>
/// <param name="Origin">The weight that it is made from: its own, or the one that it shared so far; null where that is packed.</param>
/// <param name="Shape">Its shape afterwards.</param>
/// <param name="Make">Makes it from the origin's values in single precision; the caller disposes what is new.</param>
internal sealed record MergedWeight(string Name, Parameter? Origin, long[] Shape, Func<Tensor, Tensor> Make)
{
    /// <summary>The packed matrix that it is made from, as [out, in]; null where the origin is floats.</summary>
    public PackedMatrix? Packed { get; init; }

    /// <summary>Whether a head that is tied to this table follows it.</summary>
    public bool HeadFollows { get; init; }

    /// <summary>A weight that trained as it is.</summary>
    public static MergedWeight Of(string name, Parameter origin, Parameter trained) => new(name, origin, trained.Value.Sizes(), _ => trained.Value.detach());
}
