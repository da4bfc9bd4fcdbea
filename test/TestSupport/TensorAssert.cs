using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>Comparisons of tensors that say where and how far they differ.</summary>
public static class TensorAssert
{
    /// <summary>|actual - expected| ≤ absolute + relative·|expected|, everywhere.</summary>
    public static void Close(Tensor expected, Tensor actual, double absolute, double relative, string what)
    {
        using var scope = NewDisposeScope();
        CollectionAssert.AreEqual(expected.shape, actual.shape, $"{what}: shapes differ.");
        Tensor left = expected.detach().to(ScalarType.Float64, CPU), right = actual.detach().to(ScalarType.Float64, CPU);
        Tensor excess = (left - right).abs() - (left.abs() * relative + absolute);
        double worst = excess.numel() == 0 ? -1 : excess.max().item<double>();
        if (!(worst <= 0))
        {
            double difference = (left - right).abs().max().item<double>();
            Assert.Fail($"{what}: differs by up to {difference:g4}, beyond the tolerance ({absolute:g2} + {relative:g2}·|x|) by {worst:g4}.");
        }
    }
}
