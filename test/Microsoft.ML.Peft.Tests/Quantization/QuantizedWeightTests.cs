using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Quantization;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Quantization;

[TestClass]
public sealed class QuantizedWeightTests
{
    [TestMethod]
    public void GradientsFlowToTheInputAndTheBias()
    {
        foreach (QuantizationOptions options in Matrices.Formats)
        {
            using var scope = NewDisposeScope();
            using QuantizedWeight store = Store(options, requantizes: true);
            Tensor weight = store.Dequantize();
            Tensor[] leaves = [Matrices.Noise(3, 5, 40).requires_grad_(true), Matrices.Noise(24).requires_grad_(true)];
            Tensor[] plain = [.. leaves.Select(leaf => leaf.detach().clone().requires_grad_(true))];
            Tensor found = store.Multiply(leaves[0], leaves[1]), expected = nn.functional.linear(plain[0], weight, plain[1]);
            TensorAssert.Close(expected, found, 1e-4, 1e-5, $"{options.Format}");
            found.square().sum().backward();
            expected.square().sum().backward();
            TensorAssert.Close(plain[0].grad!, leaves[0].grad!, 1e-3, 1e-4, $"{options.Format}: input");
            TensorAssert.Close(plain[1].grad!, leaves[1].grad!, 1e-3, 1e-4, $"{options.Format}: bias");
        }
    }

    [TestMethod]
    public void AMergeQuantizesAgainAndIsTakenBackToTheBit()
    {
        foreach (QuantizationOptions options in Matrices.Formats)
        {
            using var scope = NewDisposeScope();
            using QuantizedWeight store = Store(options, requantizes: true);
            Tensor before = store.Dequantize().clone(), delta = Matrices.Noise(24, 40) * 0.3;
            store.Merge(delta);
            using PackedMatrix expected = Quantizer.Quantize(before + delta, options, "w");
            TensorAssert.Close(expected.Dequantize(), store.Dequantize(), 0, 0, $"{options.Format}: merged");
            Assert.AreEqual(expected.GetType(), store.Matrix.GetType());
            store.Merge(delta);
            store.Unmerge();
            TensorAssert.Close(expected.Dequantize(), store.Dequantize(), 0, 0, $"{options.Format}: the first of two");
            store.Unmerge();
            TensorAssert.Close(before, store.Dequantize(), 0, 0, $"{options.Format}: unmerged");
        }
    }

    [TestMethod]
    public void AMergeCanStayInFloats()
    {
        using var scope = NewDisposeScope();
        using QuantizedWeight store = Store(new QuantizationOptions(), requantizes: false);
        Tensor before = store.Dequantize().clone(), delta = Matrices.Noise(24, 40);
        store.Merge(delta);
        TensorAssert.Close(before + delta, store.Dequantize(), 0, 0, "merged");
        Tensor input = Matrices.Noise(2, 40).requires_grad_(true);
        store.Multiply(input, null).sum().backward();
        TensorAssert.Close((before + delta).sum([0]).expand(2, 40), input.grad!, 1e-4, 1e-5, "gradient");
        store.Unmerge();
        TensorAssert.Close(before, store.Dequantize(), 0, 0, "unmerged");
    }

    [TestMethod]
    public void NothingIsKeptForTheBackwardPass()
    {
        using var scope = NewDisposeScope();
        using QuantizedWeight store = Store(new QuantizationOptions(), requantizes: true);
        Tensor input = Matrices.Noise(8, 40).requires_grad_(true);
        long before = LiveTensors.Settled();
        Tensor output = store.Multiply(input, null);
        Assert.AreEqual(before + 1, Tensor.TotalCount);
        output.Dispose();
    }

    private static QuantizedWeight Store(QuantizationOptions options, bool requantizes)
    {
        Tensor weight = Matrices.Noise(24, 40);
        return new QuantizedWeight("w", Quantizer.Quantize(weight, options, "w"), owned: true, transposed: false, new QuantizationOptions { RequantizeMerged = requantizes });
    }
}
