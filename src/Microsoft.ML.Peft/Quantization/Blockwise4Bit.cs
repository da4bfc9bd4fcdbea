using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Quantization;

/// <summary>NF4 or FP4, packed as bitsandbytes packs: two codes a byte, the first in the high half.</summary>
internal sealed class Blockwise4Bit(Tensor codes, Tensor levels, BlockScales scales, int block, (long Outputs, long Inputs) shape, FourBitCode code, ScalarType type)
    : BlockwiseMatrix(codes, levels, scales, block, shape)
{
    // Whole blocks of any size.
    private const long Piece = 1 << 22;

    public FourBitCode Code => code;

    public override ScalarType Type => type;

    public override QuantizationOptions Options => new()
    {
        Format = code == FourBitCode.Nf4 ? QuantizationFormat.Nf4 : QuantizationFormat.Fp4,
        BlockSize = Block,
        DoubleQuantization = Scales.Codes is not null,
    };

    protected override int Bits => 4;

    /// <summary>Quantizes a matrix [out, in] of any float type.</summary>
    /// <exception cref="InvalidDataException">It has a value that is not finite.</exception>
    public static Blockwise4Bit Quantize(Tensor weight, FourBitCode code, int block, bool nested, string name)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        long count = weight.numel();
        Tensor flat = weight.detach().reshape(-1);
        Tensor codes = empty([(count + 1) / 2, 1], ScalarType.Byte, CPU), scales = NativeTensor.Empty((count + block - 1) / block);
        // In pieces, so that a weight of half precision never exists as floats.
        for (long start = 0; start < count; start += Piece)
        {
            using var piece = NewDisposeScope();
            long size = Math.Min(Piece, count - start), bytes = (size + 1) / 2, blocks = (size + block - 1) / block;
            Quantize(
                Source(flat.narrow(0, start, size)), size, code, block, codes.narrow(0, start / 2, bytes), scales.narrow(0, start / block, blocks));
        }
        CheckFinite(scales, name);
        BlockScales kept = nested ? BlockScales.Nested(scales) : new BlockScales(scales.DetachFromDisposeScope());
        return new Blockwise4Bit(
            codes.to(weight.device).DetachFromDisposeScope(), tensor(code.Levels, ScalarType.Float32, weight.device).DetachFromDisposeScope(),
            kept.To(weight.device), block, (weight.size(0), weight.size(1)), code, weight.dtype);
    }

    public override IEnumerable<(string Name, Tensor Value)> Export(string key, bool transposed) => QuantStateFile.Write(this, key);

    protected override Tensor Indices()
    {
        Tensor bytes = Codes.flatten();
        return stack([bytes.bitwise_right_shift(tensor((byte)4, device: bytes.device)), bytes.bitwise_and(tensor((byte)15, device: bytes.device))], 1)
            .flatten().narrow(0, 0, Outputs * Inputs).to(ScalarType.Int64);
    }

    private static unsafe void Quantize(Elements<float> values, long count, FourBitCode code, int block, Elements<byte> codes, Elements<float> scales)
    {
        if (!PeftNative.IsAvailable)
        {
            PlainQuantizer.Quantize(values, count, code, block, codes, scales);
            return;
        }
        fixed (float* bounds = code.Bounds)
        fixed (byte* order = code.Order)
            NativeMethods.Quantize4Bit(NativeMethods.BestIsa, values, count, block, bounds, order, codes, scales);
    }
}
