using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Quantization;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tests.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Quantization;

/// <summary>Products whose inputs are rounded to 8 bits.</summary>
[TestClass]
public sealed unsafe class RoundedProductTests
{
    // Of up to 127 steps 112 come closest to NF4's levels.
    private const int Group = 64, StepsOfNf4 = 112;

    /// <summary>Against the same rounding written down in doubles: any number of tokens, ragged numbers of rows.</summary>
    [TestMethod]
    [DataRow(64, false)]
    [DataRow(128, false)]
    [DataRow(64, true)]
    public void EveryInstructionSetRoundsAndMultiplies(int block, bool nested)
    {
        NativeFact.Require();
        using var scope = NewDisposeScope();
        using Blockwise4Bit matrix = Blockwise4Bit.Quantize(Matrices.Noise(37, 256), FourBitCode.Nf4, block, nested, "w");
        foreach (int isa in NativeFact.InstructionSets)
        {
            double[] levels = Levels(matrix, StepsOfNf4);
            foreach (int tokens in new[] { 1, 3, 4, 8, 9, 65, 70 })
            {
                Tensor input = Matrices.Noise(tokens, 256) * 3, found = ones(tokens, 37);
                Assert.IsTrue(NativeMethods.QuantizedProductInt8(isa, matrix.Call(), input, tokens, found));
                Tensor expected = Rounded(input).mm(tensor(levels, [37, 256]).t()) + 1;
                double distance = (expected - found.to(ScalarType.Float64)).abs().max().ToDouble();
                Assert.IsLessThan(1e-4, distance, $"{tokens} tokens, instruction set {isa}");
            }
        }
    }

    /// <summary>Row-wise integers are multiplied as they are: against the same in doubles, with and without columns that stay floats.</summary>
    [TestMethod]
    [DataRow(0)]
    [DataRow(2.5)]
    public void RowwiseIntegersAreMultipliedAsTheyAre(double threshold)
    {
        NativeFact.Require();
        using var scope = NewDisposeScope();
        using Rowwise8Bit matrix = Rowwise8Bit.Quantize(Matrices.Noise(301, 192), threshold, "w");
        Assert.AreEqual(threshold > 0, matrix.Outliers is not null);
        Tensor weight = matrix.Dequantize().to(ScalarType.Float64), bias = Matrices.Noise(301);
        foreach (int tokens in new[] { 1, 3, 4, 15, 17, 33 })
        {
            Tensor input = Matrices.Noise(tokens, 192) * 3, whole = input.to(ScalarType.Float64), rounded = Rounded(input);
            // Columns of floats meet inputs as they came.
            if (matrix.Outliers is { } outliers)
                rounded.index_copy_(1, outliers.Columns, whole.index_select(1, outliers.Columns));
            Tensor expected = rounded.mm(weight.t()) + bias, found = matrix.RoundedProduct(input, bias);
            Assert.IsLessThan(1e-3, (expected - found.to(ScalarType.Float64)).abs().max().ToDouble(), $"{tokens} tokens");
            Assert.IsGreaterThan(1e-2, (found - matrix.Product(input, bias)).abs().max().ToDouble(), $"{tokens} tokens: nothing was rounded");
            TensorAssert.Close(matrix.RoundedProduct(input, null) + bias, found, 1e-5, 1e-5, $"{tokens} tokens, without a bias");
        }
    }

    /// <summary>The error that docs/quantization.md states, beside that of the 4 bits themselves.</summary>
    [TestMethod]
    public void RoundingCostsLittleBesideTheFourBits()
    {
        NativeFact.Require();
        using var scope = NewDisposeScope();
        Tensor weight = randn(512, 1024), input = randn(64, 1024), exact = input.mm(weight.t());
        using Blockwise4Bit matrix = Blockwise4Bit.Quantize(weight, FourBitCode.Nf4, 64, nested: false, "w");
        Tensor floats = matrix.Product(input, null);
        double bits = Distance(exact, floats);
        foreach (int isa in NativeFact.InstructionSets)
        {
            Tensor rounded = zeros(64, 512);
            NativeMethods.QuantizedProductInt8(isa, matrix.Call(), input, 64, rounded);
            double error = Distance(floats, rounded);
            Console.WriteLine(FormattableString.Invariant($"instruction set {isa}: rounding {error:f4}, four bits {bits:f4} of the product's size"));
            Assert.IsLessThan(0.01, error);
        }
    }

    [TestMethod]
    public void ShapesWithoutAKernelTakeFloats()
    {
        NativeFact.Require();
        using var scope = NewDisposeScope();
        using Rowwise8Bit ragged = Rowwise8Bit.Quantize(Matrices.Noise(5, 96), 0, "w");
        Tensor values = Matrices.Noise(3, 96);
        Assert.AreEqual(0.0, (ragged.RoundedProduct(values, null) - ragged.Product(values, null)).abs().max().ToDouble());
        foreach (var (columns, block) in new[] { (96, 32), (160, 64), (128, 32) })
        {
            using Blockwise4Bit matrix = Blockwise4Bit.Quantize(Matrices.Noise(5, columns), FourBitCode.Fp4, block, nested: false, "w");
            Tensor input = Matrices.Noise(3, columns), bias = Matrices.Noise(5);
            Assert.AreEqual(0.0, (matrix.RoundedProduct(input, bias) - matrix.Product(input, bias)).abs().max().ToDouble());
        }
    }

    private static double Distance(Tensor expected, Tensor found) => ((found - expected).norm() / expected.norm()).ToDouble();

    private static Tensor Rounded(Tensor input)
    {
        Tensor groups = input.to(ScalarType.Float64).view(-1, Group), scales = groups.abs().amax([1L], keepdim: true) / 127;
        return ((groups / scales).round() * scales).view(input.shape);
    }

    // The dequantized matrix with each level rounded to a number of steps.
    private static double[] Levels(Blockwise4Bit matrix, int steps)
    {
        using Tensor whole = matrix.Plainly(), scales = matrix.Scales.Values();
        float[] values = whole.data<float>().ToArray(), sizes = scales.data<float>().ToArray();
        return [.. values.Select((value, i) => Math.Round(value / (double)sizes[i / matrix.Block] * steps, MidpointRounding.AwayFromZero) / steps * sizes[i / matrix.Block])];
    }
}
