using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Quantization;

/// <summary>A matrix in bfloat16, that is 16 bits a weight. A few tokens read it as it lies; for many it is made floats.</summary>
internal sealed class BFloat16Matrix : PackedMatrix
{
    private const long FewTokens = 8;

    private readonly Tensor _values;

    private BFloat16Matrix(Tensor values) : base(values.size(0), values.size(1)) => _values = values.DetachFromDisposeScope();

    public override long Bytes => 2 * _values.numel();

    public override QuantizationOptions? Options => new() { Format = QuantizationFormat.BFloat16 };

    public override ScalarType Type => ScalarType.BFloat16;

    /// <summary>Rounds a matrix [out, in] of any float type to the nearest bfloat16.</summary>
    /// <exception cref="InvalidDataException">It has a value that is not finite.</exception>
    public static BFloat16Matrix From(Tensor weight, string name)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        Tensor values = weight.detach().to(ScalarType.BFloat16).contiguous();
        if (!values.isfinite().all().item<bool>())
            throw new InvalidDataException($"Weight '{name}' has a value that bfloat16 does not hold, or that is not finite.");
        // A tensor of a mapped file stays one where it is bfloat16 already.
        return new BFloat16Matrix(values);
    }

    public override Tensor Dequantize()
    {
        using var noGrad = no_grad();
        return _values.to(ScalarType.Float32);
    }

    public override Tensor Rows(Tensor ids)
    {
        using Tensor rows = _values.index_select(0, ids);
        return rows.to(ScalarType.Float32);
    }

    public override Tensor Product(Tensor input, Tensor? bias)
    {
        long tokens = input.numel() / Math.Max(1, Inputs);
        if (tokens > FewTokens || !PeftNative.Takes(input) || _values.device_type != DeviceType.CPU)
            return base.Product(input, bias);
        using Tensor? dense = input.is_contiguous() ? null : input.contiguous();
        Tensor output = NativeTensor.Empty(input, Outputs);
        NativeMethods.FewProductBFloat16(
            NativeMethods.BestIsa, _values, bias, Outputs, Inputs,
            dense ?? input, tokens, output);
        return output;
    }

    public override IEnumerable<(string Name, Tensor Value)> Export(string key, bool transposed) => [(key, transposed ? _values.t() : _values)];

    public override void Dispose() => _values.Dispose();
}
