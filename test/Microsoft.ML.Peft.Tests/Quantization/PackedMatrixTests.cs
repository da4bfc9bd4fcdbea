using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Quantization;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tests.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Quantization;

[TestClass]
public sealed unsafe class PackedMatrixTests
{
    [TestMethod]
    public void KernelsUnpackAsPlainOperationsDo()
    {
        NativeFact.Require();
        Matrices.Each((matrix, _, what) =>
        {
            if (matrix is not BlockwiseMatrix blocks)
                return;
            foreach (int isa in NativeFact.InstructionSets)
            {
                Tensor found = zeros(matrix.Outputs, matrix.Inputs);
                NativeMethods.Dequantize(isa, blocks.Call(), found);
                TensorAssert.Close(blocks.Plainly(), found, 0, 0, $"{what}, instruction set {isa}");
            }
        });
    }

    [TestMethod]
    public void ProductsAndGradientsAreThoseOfTheDequantizedMatrix() => Matrices.Each((matrix, _, what) =>
    {
        Tensor weight = matrix.Dequantize(), bias = Matrices.Noise(matrix.Outputs);
        foreach (long tokens in new long[] { 1, 2, 3, 7, 24, 25, 40 })
        {
            using var scope = NewDisposeScope();
            Tensor input = Matrices.Noise(tokens, matrix.Inputs), gradient = Matrices.Noise(tokens, matrix.Outputs);
            double tolerance = 1e-5 * Math.Sqrt(matrix.Inputs), back = 1e-5 * Math.Sqrt(matrix.Outputs);
            TensorAssert.Close(nn.functional.linear(input, weight, bias), matrix.Product(input, bias), tolerance, 1e-5, $"{what}, {tokens} tokens");
            TensorAssert.Close(input.mm(weight.t()), matrix.Product(input, null), tolerance, 1e-5, $"{what}, {tokens} tokens, no bias");
            TensorAssert.Close(gradient.mm(weight), matrix.InputGradient(gradient), back, 1e-5, $"{what}, gradient of {tokens} tokens");
        }
    });

    [TestMethod]
    public void RowsAreThoseOfTheDequantizedMatrix() => Matrices.Each((matrix, _, what) =>
    {
        Tensor weight = matrix.Dequantize(), ids = tensor(new[] { matrix.Outputs - 1, 0, matrix.Outputs / 2, 0 });
        TensorAssert.Close(weight.index_select(0, ids), matrix.Rows(ids), 0, 0, what);
    });

    [TestMethod]
    public void EveryInstructionSetMultiplies()
    {
        NativeFact.Require();
        Matrices.Each((matrix, _, what) =>
        {
            if (matrix is not BlockwiseMatrix blocks)
                return;
            foreach (int isa in NativeFact.InstructionSets)
            {
                foreach (long tokens in new long[] { 1, 2, 5, 30 })
                {
                    using var scope = NewDisposeScope();
                    Tensor input = Matrices.Noise(tokens, matrix.Inputs), found = ones(tokens, matrix.Outputs);
                    NativeMethods.QuantizedProduct(isa, blocks.Call(), input, tokens, found);
                    TensorAssert.Close(input.mm(blocks.Plainly().t()) + 1, found, 1e-5 * Math.Sqrt(matrix.Inputs), 1e-5, $"{what}, {tokens} tokens, instruction set {isa}");
                }
            }
        });
    }

    [TestMethod]
    public void KernelsQuantizeAsThePlainPathDoes()
    {
        NativeFact.Require();
        foreach (FourBitCode code in FourBitCode.All)
        {
            foreach (int count in NativeFact.RaggedSizes.Where(size => size > 0))
            {
                float[] values = NativeFact.Noise(count, count);
                values[count / 2] = 0;
                var (codes, scales) = Quantize(values, code, null);
                foreach (int isa in NativeFact.InstructionSets)
                {
                    var found = Quantize(values, code, isa);
                    CollectionAssert.AreEqual(codes, found.Codes, $"{code.Name}, {count} values, instruction set {isa}");
                    CollectionAssert.AreEqual(scales, found.Scales, $"{code.Name}, {count} values, instruction set {isa}");
                }
            }
        }
    }

    [TestMethod]
    public void ErrorsAreAsLargeAsTheStepsOfTheFormat() => Matrices.Each((matrix, weight, what) =>
    {
        // Half the widest step of a format's levels, times the largest scale.
        double step = matrix is Blockwise4Bit four ? four.Code.Name == "nf4" ? 0.152 : 0.167 : 0.01;
        double most = step * weight.abs().max().item<float>() * 1.01;
        TensorAssert.Close(weight, matrix.Dequantize(), most, 0, what);
    });

    [TestMethod]
    public void HalfPrecisionIsQuantizedAsItsFloats()
    {
        using var scope = NewDisposeScope();
        foreach (ScalarType type in new[] { ScalarType.Float16, ScalarType.BFloat16 })
        {
            Tensor half = Matrices.Noise(16, 96).to(type);
            using Blockwise4Bit expected = Blockwise4Bit.Quantize(half.to(ScalarType.Float32), FourBitCode.Nf4, 64, false, "w");
            using Blockwise4Bit found = Blockwise4Bit.Quantize(half, FourBitCode.Nf4, 64, false, "w");
            TensorAssert.Close(expected.Codes, found.Codes, 0, 0, $"{type}");
            Assert.AreEqual(type, found.Type);
        }
    }

    [TestMethod]
    public void ATransposedViewIsReadInItsOwnOrder()
    {
        using var scope = NewDisposeScope();
        Tensor weight = Matrices.Noise(24, 40);
        foreach (QuantizationOptions options in Matrices.Formats)
        {
            using PackedMatrix expected = Quantizer.Quantize(weight.t().contiguous(), options, "w"), found = Quantizer.Quantize(weight.t(), options, "w");
            TensorAssert.Close(expected.Dequantize(), found.Dequantize(), 0, 0, $"{options.Format}");
        }
    }

    [TestMethod]
    public void WeightsThatAreNotFiniteAreRefusedByName()
    {
        foreach (QuantizationOptions options in Matrices.Formats)
        {
            foreach (float bad in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity })
            {
                using var scope = NewDisposeScope();
                Tensor weight = Matrices.Noise(4, 64);
                weight[2, 17] = bad;
                var refused = Assert.ThrowsExactly<InvalidDataException>(() => Quantizer.Quantize(weight, options, "layer.weight"));
                Assert.Contains("layer.weight", refused.Message);
            }
        }
    }

    private static (byte[] Codes, float[] Scales) Quantize(float[] values, FourBitCode code, int? isa)
    {
        const int Block = 64;
        var codes = new byte[(values.Length + 1) / 2];
        var scales = new float[(values.Length + Block - 1) / Block];
        fixed (float* x = values, s = scales, bounds = code.Bounds)
        fixed (byte* c = codes, order = code.Order)
        {
            if (isa is { } set)
                NativeMethods.Quantize4Bit(set, x, values.Length, Block, bounds, order, c, s);
            else
                PlainQuantizer.Quantize(x, values.Length, code, Block, c, s);
        }
        return (codes, scales);
    }
}
