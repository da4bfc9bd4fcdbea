using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Quantization;

/// <summary>Writes matrices in the format that options name.</summary>
internal static class Quantizer
{
    private delegate PackedMatrix Format(Tensor weight, QuantizationOptions options, string name);

    private static readonly Dictionary<QuantizationFormat, Format> Formats = new()
    {
        [QuantizationFormat.Nf4] = (weight, options, name) => Blockwise4Bit.Quantize(weight, FourBitCode.Nf4, options.BlockSize, options.DoubleQuantization is true, name),
        [QuantizationFormat.Fp4] = (weight, options, name) => Blockwise4Bit.Quantize(weight, FourBitCode.Fp4, options.BlockSize, options.DoubleQuantization is true, name),
        [QuantizationFormat.Int8] = (weight, options, name) => Blockwise8Bit.Quantize(weight, options.BlockSize, name),
        [QuantizationFormat.Int8Rowwise] = (weight, options, name) => Rowwise8Bit.Quantize(weight, options.OutlierThreshold, name),
        [QuantizationFormat.BFloat16] = (weight, _, name) => BFloat16Matrix.From(weight, name),
    };

    /// <summary>Quantizes a matrix [out, in]; the result belongs to no scope.</summary>
    /// <exception cref="InvalidDataException">The weight has a value that is not finite; the message says its name.</exception>
    public static PackedMatrix Quantize(Tensor weight, QuantizationOptions options, string name) => Formats[options.Format](weight, options, name);
}
