using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Lora;

/// <summary>
/// DoRA (Liu et al. 2024): the update changes the direction of each row of the matrix, a trained magnitude m its length:
/// W' = m · (W + s·B·A) / ‖W + s·B·A‖. The norm counts as a constant in the backward pass.
/// </summary>
internal sealed class DoraDelta(Projection site, IWeightDelta direction, Parameter magnitude, double dropout) : IWeightDelta, IDisposable
{
    public IReadOnlyList<Parameter> Parameters => [.. direction.Parameters, magnitude];

    public IReadOnlyList<Parameter> Interpolated => [.. direction.Interpolated, magnitude];

    /// <summary>The lengths of the rows of W + update.</summary>
    public static Tensor Norm(Projection site, IWeightDelta direction)
    {
        using var noGrad = no_grad();
        using Tensor weight = site.Weight.Dequantize(), update = direction.Matrix();
        using Tensor sum = update.add_(weight);
        return linalg.vector_norm(sum, 2, [1]);
    }

    public Tensor Apply(Tensor input, Tensor output, ForwardContext context)
    {
        using var scope = NewDisposeScope();
        Tensor gain = magnitude.Value / Norm(site, direction);
        Tensor dropped = context.Dropout(input, dropout);
        if (!ReferenceEquals(dropped, input))
        {
            // PEFT lets the base's own result be, and changes what the dropped input adds to it.
            Tensor plain = site.Weight.Multiply(dropped, null);
            Tensor turned = direction.Apply(dropped, plain.clone(), context) * gain;
            return (output + turned - plain).MoveToOuterDisposeScope();
        }
        Tensor? bias = site.Bias?.Value;
        Tensor tuned = direction.Apply(input, bias is null ? output : output - bias, context) * gain;
        return (bias is null ? tuned : tuned + bias).MoveToOuterDisposeScope();
    }

    public Tensor Matrix()
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        Tensor weight = site.Weight.Dequantize();
        Tensor gain = (magnitude.Value / Norm(site, direction)).unsqueeze(1);
        return ((weight + direction.Matrix()) * gain - weight).MoveToOuterDisposeScope();
    }

    public IEnumerable<(string Name, Tensor Value)> Export() => direction.Export().Append((magnitude.Name, magnitude.Value));

    public void Dispose() => (direction as IDisposable)?.Dispose();
}
