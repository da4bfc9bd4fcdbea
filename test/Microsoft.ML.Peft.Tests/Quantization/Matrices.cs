using Microsoft.ML.Peft.Quantization;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Quantization;

/// <summary>Matrices in every format and of awkward shapes.</summary>
internal static class Matrices
{
    /// <summary>Blocks within rows, over rows, with a short one at the end; an odd number of columns.</summary>
    public static readonly (long Outputs, long Inputs)[] Shapes = [(8, 128), (5, 192), (1, 1), (3, 7), (257, 130), (33, 65), (6, 1088), (2, 4096)];

    public static readonly QuantizationOptions[] Formats =
    [
        new(),
        new() { BlockSize = 32, DoubleQuantization = true },
        new() { BlockSize = 4096 },
        new() { Format = QuantizationFormat.Fp4, BlockSize = 128, DoubleQuantization = true },
        new() { Format = QuantizationFormat.Int8, BlockSize = 256 },
        new() { Format = QuantizationFormat.Int8Rowwise },
        new() { Format = QuantizationFormat.Int8Rowwise, OutlierThreshold = 2.5 },
        new() { Format = QuantizationFormat.BFloat16 },
    ];

    /// <summary>Calls a test with every format and shape.</summary>
    public static void Each(Action<PackedMatrix, Tensor, string> test)
    {
        foreach (QuantizationOptions options in Formats)
        {
            foreach (var (outputs, inputs) in Shapes)
            {
                using var scope = NewDisposeScope();
                Tensor weight = Noise(outputs, inputs);
                using PackedMatrix matrix = Quantizer.Quantize(weight, options, "weight");
                test(matrix, weight, $"{options.Format} {options.BlockSize} [{outputs}, {inputs}]");
            }
        }
    }

    public static Tensor Noise(params long[] shape)
    {
        using var generator = new Generator((ulong)shape.Sum());
        return randn(shape, generator: generator);
    }
}
