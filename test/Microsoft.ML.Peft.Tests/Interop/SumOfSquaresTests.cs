using Microsoft.ML.Peft.Interop;
using TorchSharp;

namespace Microsoft.ML.Peft.Tests.Interop;

[TestClass]
public sealed unsafe class SumOfSquaresTests
{
    [TestMethod]
    public void EqualsAPlainSumForRaggedSizesAndAllInstructionSets()
    {
        NativeFact.Require();
        foreach (int count in NativeFact.RaggedSizes)
        {
            float[] values = NativeFact.Noise(count, count);
            double expected = values.Sum(v => (double)v * v);
            double plain = Sum(values, isa: 0);
            Assert.AreEqual(expected, plain, 1e-12 * expected, $"{count} values");
            foreach (int isa in NativeFact.InstructionSets)
                Assert.AreEqual(plain, Sum(values, isa), $"{count} values, instruction set {isa}");
        }
    }

    [TestMethod]
    public void IsTheSameForAnyNumberOfThreads()
    {
        NativeFact.Require();
        float[] values = NativeFact.Noise(3, 18_000_001); // more than one batch of blocks
        int before = torch.get_num_threads();
        try
        {
            double[] sums = [.. new[] { 1, 2, 3, 5, 8 }.Select(threads => SumWith(values, threads))];
            Assert.AreEqual(1, sums.Distinct().Count(), string.Join(", ", sums));
        }
        finally
        {
            torch.set_num_threads(before);
        }
    }

    private static double SumWith(float[] values, int threads)
    {
        torch.set_num_threads(threads);
        fixed (float* pointer = values)
            return PeftNative.SumOfSquares(pointer, values.Length);
    }

    private static double Sum(float[] values, int isa)
    {
        fixed (float* pointer = values)
            return NativeMethods.SumOfSquares(isa, pointer, values.Length);
    }
}
