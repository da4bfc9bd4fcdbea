using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Quantization;

/// <summary>
/// 8-bit integers with a scale for each row (LLM.int8's weights): an element is q·scale / 127. Columns with outliers can stay
/// floats beside them; their integers are 0.
/// </summary>
internal sealed class Rowwise8Bit(Tensor codes, Tensor levels, BlockScales scales, (long Outputs, long Inputs) shape, OutlierColumns? outliers)
    : BlockwiseMatrix(codes, levels, scales, (int)shape.Inputs, shape)
{
    private const float Largest = 127;

    // By the byte that a signed integer is.
    private static readonly float[] s_levels = [.. Enumerable.Range(0, 256).Select(code => (sbyte)code / Largest)];

    public OutlierColumns? Outliers => outliers;

    public override long Bytes => base.Bytes + (outliers?.Values.numel() * sizeof(float) ?? 0);

    public override QuantizationOptions Options => new() { Format = QuantizationFormat.Int8Rowwise, OutlierThreshold = outliers?.Threshold ?? 0 };

    protected override int Bits => 8;

    /// <summary>Quantizes a matrix [out, in] of any float type.</summary>
    /// <param name="weight">The matrix.</param>
    /// <param name="threshold">Columns with a value of this magnitude stay floats; 0 for none.</param>
    /// <param name="name">The weight's name.</param>
    /// <exception cref="InvalidDataException">It has a value that is not finite.</exception>
    public static Rowwise8Bit Quantize(Tensor weight, double threshold, string name)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        Tensor source = weight.detach().to(ScalarType.Float32).contiguous(), magnitudes = source.abs();
        CheckFinite(magnitudes.amax([1]), name);
        OutlierColumns? outliers = threshold > 0 ? OutlierColumns.Of(source, magnitudes, threshold) : null;
        if (outliers is not null)
            source = source.masked_fill(magnitudes >= threshold, 0);
        Tensor scales = source.abs().amax([1]);
        Tensor factors = (Largest / scales).masked_fill(scales == 0, 0).unsqueeze(1);
        Tensor codes = (source * factors).round().to(ScalarType.Int8);
        if (outliers is not null)
            codes.index_fill_(1, outliers.Columns, 0);
        return Create(codes.DetachFromDisposeScope(), scales.DetachFromDisposeScope(), outliers);
    }

    /// <summary>A matrix of integers [out, in] and scales [out], which it takes over.</summary>
    public static Rowwise8Bit Create(Tensor codes, Tensor scales, OutlierColumns? outliers) => new(
        codes, tensor(s_levels, ScalarType.Float32, codes.device).DetachFromDisposeScope(), new BlockScales(scales), (codes.size(0), codes.size(1)), outliers);

    public override Tensor Dequantize()
    {
        using var scope = NewDisposeScope();
        Tensor weight = base.Dequantize();
        if (outliers is not null)
            weight.index_copy_(1, outliers.Columns, outliers.Values);
        return weight.MoveToOuterDisposeScope();
    }

    public override Tensor Product(Tensor input, Tensor? bias) => WithOutliers(input, base.Product(input, bias));

    public override Tensor RoundedProduct(Tensor input, Tensor? bias)
    {
        if (!PeftNative.Takes(input) || Codes.device_type != DeviceType.CPU)
            return Product(input, bias);
        using Tensor? dense = input.is_contiguous() ? null : input.contiguous();
        Tensor output = NativeTensor.Empty(input, Outputs);
        bool done = NativeMethods.RowwiseProductInt8(
            NativeMethods.BestIsa, Codes, Scales.Floats, bias,
            Outputs, Inputs, dense ?? input, input.numel() / Inputs, output);
        if (done)
            return WithOutliers(input, output);
        output.Dispose();
        return Product(input, bias);
    }

    public override Tensor Rows(Tensor ids)
    {
        using var scope = NewDisposeScope();
        Tensor levels = Codes.index_select(0, ids).to(ScalarType.Float32) / Largest;
        Tensor rows = levels * Scales.Floats.index_select(0, ids).unsqueeze(1);
        if (outliers is not null)
            rows.index_copy_(1, outliers.Columns, outliers.Values.index_select(0, ids));
        return rows.MoveToOuterDisposeScope();
    }

    public override Tensor InputGradient(Tensor gradient)
    {
        using var scope = NewDisposeScope();
        Tensor result = base.InputGradient(gradient);
        if (outliers is not null)
            result.index_add_(1, outliers.Columns, gradient.mm(outliers.Values), 1);
        return result.MoveToOuterDisposeScope();
    }

    public override IEnumerable<(string Name, Tensor Value)> Export(string key, bool transposed) => QuantStateFile.Write(this, key);

    public override void Dispose()
    {
        base.Dispose();
        outliers?.Dispose();
    }

    private Tensor WithOutliers(Tensor input, Tensor output)
    {
        if (outliers is null)
            return output;
        using var scope = NewDisposeScope();
        output.view(-1, Outputs).addmm_(input.reshape(-1, Inputs).index_select(1, outliers.Columns), outliers.Values.t());
        return output;
    }

    protected override Tensor Indices() => Codes.flatten().to(ScalarType.Int64).bitwise_and(tensor(255L, ScalarType.Int64, Codes.device));
}

/// <summary>Columns of a matrix that stay floats.</summary>
/// <param name="Columns">Their numbers.</param>
/// <param name="Values">[out, columns]</param>
/// <param name="Threshold">The magnitude from which on a value is an outlier.</param>
internal sealed record OutlierColumns(Tensor Columns, Tensor Values, double Threshold) : IDisposable
{
    /// <summary>The columns with a value at least as large; null where there are none.</summary>
    public static OutlierColumns? Of(Tensor weight, Tensor magnitudes, double threshold)
    {
        using var scope = NewDisposeScope();
        Tensor columns = (magnitudes >= threshold).any(0).nonzero().flatten();
        return columns.numel() == 0 ? null
            : new OutlierColumns(columns.DetachFromDisposeScope(), weight.index_select(1, columns).DetachFromDisposeScope(), threshold);
    }

    public void Dispose()
    {
        Columns.Dispose();
        Values.Dispose();
    }
}
