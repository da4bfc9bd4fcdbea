using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Quantization;

/// <summary>A matrix of codes: an element is the level of its code times the scale of its block, which runs along the rows.</summary>
/// <param name="codes">8-bit codes, or 4-bit ones in pairs.</param>
/// <param name="levels">What codes stand for.</param>
/// <param name="scales">A scale for each block.</param>
/// <param name="block">Elements in a block.</param>
/// <param name="shape">[out, in]</param>
internal abstract class BlockwiseMatrix(Tensor codes, Tensor levels, BlockScales scales, int block, (long Outputs, long Inputs) shape)
    : PackedMatrix(shape.Outputs, shape.Inputs)
{
    private const long LargestPanel = 16L << 20;

    public BlockScales Scales { get; } = scales;

    public Tensor Codes { get; } = codes;

    public int Block { get; } = block;

    public override long Bytes => Codes.numel() + Scales.Bytes;

    // Natively it is unpacked by panels.
    public override long UnpackedBytes => IsNative ? Math.Min(LargestPanel, base.UnpackedBytes) : base.UnpackedBytes;

    protected Tensor Levels { get; } = levels;

    protected abstract int Bits { get; }

    private bool IsNative => PeftNative.IsAvailable && Codes.device_type == DeviceType.CPU;

    public override Tensor Dequantize()
    {
        using var noGrad = no_grad();
        if (!IsNative)
            return Plainly();
        Tensor result = NativeTensor.Empty(Outputs, Inputs);
        NativeMethods.Dequantize(NativeMethods.BestIsa, Call(), result);
        return result;
    }

    public override Tensor Product(Tensor input, Tensor? bias) => Multiply(input, bias, rounded: false);

    public override Tensor RoundedProduct(Tensor input, Tensor? bias) => Multiply(input, bias, rounded: true);

    public override Tensor InputGradient(Tensor gradient)
    {
        if (!IsNative || !PeftNative.Takes(gradient) || Blas.Sgemm == 0)
            return base.InputGradient(gradient);
        using Tensor dense = gradient.contiguous();
        Tensor result = NativeTensor.Empty(gradient.size(0), Inputs);
        NativeMethods.QuantizedGradient(NativeMethods.BestIsa, Call(), dense, gradient.size(0), result);
        return result;
    }

    private Tensor Multiply(Tensor input, Tensor? bias, bool rounded)
    {
        if (!IsNative || !PeftNative.Takes(input) || Blas.Sgemm == 0)
            return base.Product(input, bias);
        using Tensor? dense = input.is_contiguous() ? null : input.contiguous();
        long tokens = input.numel() / Math.Max(1, Inputs);
        Tensor output = NativeTensor.Empty(input, Outputs);
        Fill(output, bias);
        QuantizedCall call = Call();
        if (!rounded || !NativeMethods.QuantizedProductInt8(NativeMethods.BestIsa, call, dense ?? input, tokens, output))
            NativeMethods.QuantizedProduct(NativeMethods.BestIsa, call, dense ?? input, tokens, output);
        return output;
    }

    /// <summary>The same by TorchSharp's operations, on any device.</summary>
    internal Tensor Plainly()
    {
        using var scope = NewDisposeScope();
        Tensor levels = Levels.index_select(0, Indices());
        Tensor scales = BlockScales.Spread(Scales.Values(), Block, levels.numel());
        return (levels * scales).view(Outputs, Inputs).MoveToOuterDisposeScope();
    }

    /// <summary>The kernels' description of the matrix.</summary>
    internal QuantizedCall Call() => new()
    {
        Rows = Outputs,
        Columns = Inputs,
        Block = Block,
        Bits = Bits,
        Codes = Codes,
        Levels = Levels,
        Scales = Scales.Floats,
        ScaleCodes = Scales.Codes,
        ScaleLevels = Scales.Levels,
        ScaleOffset = Scales.Offset,
    };

    public override void Dispose()
    {
        Codes.Dispose();
        Levels.Dispose();
        Scales.Dispose();
    }

    /// <summary>The codes one by one, as numbers of levels.</summary>
    protected abstract Tensor Indices();

    // The kernels add to what is there.
    private static void Fill(Tensor rows, Tensor? bias)
    {
        if (bias is null)
        {
            NativeTensor.Clear(rows);
            return;
        }
        using Tensor row = bias.detach();
        rows.copy_(row);
    }

    /// <summary>A matrix as the quantizers read it: dense floats on the CPU, in the caller's scope.</summary>
    protected static Tensor Source(Tensor weight) => weight.detach().to(ScalarType.Float32, CPU).contiguous();

    protected static void CheckFinite(Tensor scales, string name)
    {
        using Tensor finite = scales.isfinite().all();
        if (!finite.item<bool>())
            throw new InvalidDataException($"Weight '{name}' has a value that is not finite: it cannot be quantized.");
    }
}
