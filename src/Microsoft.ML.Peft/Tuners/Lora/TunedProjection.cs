using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Lora;

/// <summary>What LoRA does to a projection, which can be said as a change of its matrix too.</summary>
internal interface IWeightDelta : IProjectionDelta
{
    IReadOnlyList<Parameter> Parameters { get; }

    /// <inheritdoc cref="TunedPart.Interpolated"/>
    IReadOnlyList<Parameter> Interpolated => Parameters;

    /// <summary>The change of the matrix [out, in] as it is now; the caller disposes it.</summary>
    Tensor Matrix();

    /// <summary>What is saved.</summary>
    IEnumerable<(string Name, Tensor Value)> Export();
}

/// <summary>A projection under LoRA.</summary>
internal sealed class TunedProjection(Projection site, IWeightDelta delta) : TunedPart
{
    public override string Path => site.Path;

    public override IReadOnlyList<Parameter> Parameters => delta.Parameters;

    public override IReadOnlyList<Parameter> Interpolated => delta.Interpolated;

    public override IEnumerable<(string Name, Tensor Value)> Export() => delta.Export();

    public override bool Wraps(Parameter parameter) => ReferenceEquals(site.Bias, parameter);

    public override void Attach(string adapter) => site.Attach(adapter, delta);

    public override void Detach(string adapter) => site.Detach(adapter);

    public override void Merge(string adapter)
    {
        using (Tensor update = delta.Matrix())
            site.Weight.Merge(update);
        Detach(adapter);
    }

    public override IEnumerable<MergedWeight> MergedWeights()
    {
        var packed = site.Weight as QuantizedWeight;
        Parameter? matrix = (site.Weight as DenseWeight)?.Matrix;
        long[] shape = matrix?.Value.Sizes() ?? [site.Weight.Outputs, site.Weight.Inputs];
        yield return new MergedWeight(site.Path + ".weight", matrix, shape, weight =>
        {
            // In the update's own memory: matrices are large.
            using Tensor update = delta.Matrix();
            Tensor oriented = matrix is not null && site.Weight.IsTransposed ? update.t() : update.alias();
            return oriented.add_(weight);
        }) { Packed = packed?.Matrix };
    }

    public override void Unmerge(string adapter)
    {
        site.Weight.Unmerge();
        Attach(adapter);
    }

    public override void Dispose()
    {
        base.Dispose();
        (delta as IDisposable)?.Dispose();
    }
}
