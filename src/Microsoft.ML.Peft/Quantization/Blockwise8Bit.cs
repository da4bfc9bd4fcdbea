using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Quantization;

/// <summary>8-bit codes of the dynamic map in blocks.</summary>
internal sealed class Blockwise8Bit(Tensor codes, Tensor levels, BlockScales scales, int block, (long Outputs, long Inputs) shape, ScalarType type)
    : BlockwiseMatrix(codes, levels, scales, block, shape)
{
    public override ScalarType Type => type;

    public override QuantizationOptions Options => new() { Format = QuantizationFormat.Int8, BlockSize = Block };

    protected override int Bits => 8;

    /// <summary>Quantizes a matrix [out, in] of any float type.</summary>
    /// <exception cref="InvalidDataException">It has a value that is not finite.</exception>
    public static Blockwise8Bit Quantize(Tensor weight, int block, string name)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        Tensor source = Source(weight);
        long count = source.numel();
        Tensor codes = empty(weight.Sizes(), ScalarType.Byte, CPU), scales = NativeTensor.Empty((count + block - 1) / block);
        DynamicMap.Quantize(source, count, block, codes, scales);
        CheckFinite(scales, name);
        return new Blockwise8Bit(
            codes.to(weight.device).DetachFromDisposeScope(), tensor(DynamicMap.Levels, ScalarType.Float32, weight.device).DetachFromDisposeScope(),
            new BlockScales(scales.DetachFromDisposeScope()).To(weight.device), block, (weight.size(0), weight.size(1)), weight.dtype);
    }

    public override IEnumerable<(string Name, Tensor Value)> Export(string key, bool transposed) => QuantStateFile.Write(this, key);

    protected override Tensor Indices() => Codes.flatten().to(ScalarType.Int64);
}
