using Microsoft.ML.Peft.Interop;
using TorchSharp;

namespace Microsoft.ML.Peft.Tests.Interop;

[TestClass]
public sealed unsafe class DropoutTests
{
    private const int Many = 1_000_000;

    [TestMethod]
    public void IsTheSameForAllInstructionSetsAndRaggedSizes()
    {
        NativeFact.Require();
        float[] all = Drop(NativeFact.Noise(1, 100_003), isa: 0);
        foreach (int count in NativeFact.RaggedSizes)
            foreach (int isa in NativeFact.InstructionSets)
                CollectionAssert.AreEqual(all[..count], Drop(NativeFact.Noise(1, 100_003)[..count], isa), $"{count} values, instruction set {isa}");
    }

    [TestMethod]
    public void IsTheSameForAnyNumberOfThreads()
    {
        NativeFact.Require();
        float[] values = NativeFact.Noise(2, Many);
        int before = torch.get_num_threads();
        try
        {
            float[][] results = [.. new[] { 1, 2, 3, 5 }.Select(threads =>
            {
                torch.set_num_threads(threads);
                return Drop(values, rate: 0.3);
            })];
            foreach (float[] result in results)
                CollectionAssert.AreEqual(results[0], result);
        }
        finally
        {
            torch.set_num_threads(before);
        }
    }

    [TestMethod]
    [DataRow(0.0)]
    [DataRow(0.1)]
    [DataRow(0.5)]
    [DataRow(0.9)]
    public void DropsItsShareAndScalesTheRest(double rate)
    {
        NativeFact.Require();
        float[] mask = Drop(Ones(Many), rate: rate);
        Assert.IsTrue(mask.All(m => m == 0 || m == (float)(1 / (1 - rate))));
        AssertShare(rate, mask.Count(m => m == 0), Many);
        // Anywhere in the tensor, and in every lane of a register.
        for (int part = 0; part < 10; part++)
            AssertShare(rate, mask.Skip(part * Many / 10).Take(Many / 10).Count(m => m == 0), Many / 10);
        for (int lane = 0; lane < 16; lane++)
            AssertShare(rate, mask.Where((_, i) => i % 16 == lane).Count(m => m == 0), Many / 16);
    }

    [TestMethod]
    public void NeighboursAndSeedsAreIndependent()
    {
        NativeFact.Require();
        float[] mask = Drop(Ones(Many), rate: 0.5);
        foreach (int distance in new[] { 1, 2, 8, 64, 768, 4096 })
            AssertShare(0.5, Enumerable.Range(0, Many - distance).Count(i => mask[i] == mask[i + distance]), Many - distance);
        foreach (long seed in new[] { 8L, 7 + (1L << 32), -7, unchecked(7 + (long)0x9E3779B97F4A7C15) })
            AssertShare(0.5, mask.Zip(Drop(Ones(Many), rate: 0.5, seed: seed)).Count(p => p.First == p.Second), Many);
    }

    // Five standard deviations: a sound generator fails one such check in 1.7 million.
    private static void AssertShare(double expected, int found, int of) =>
        Assert.AreEqual(expected * of, found, 5 * Math.Sqrt(of * expected * (1 - expected)));

    private static float[] Ones(int count) => [.. Enumerable.Repeat(1f, count)];

    private static float[] Drop(float[] values, int? isa = null, double rate = 0.1, long seed = 7)
    {
        var result = new float[values.Length];
        fixed (float* from = values, to = result)
            NativeMethods.Dropout(isa ?? NativeMethods.GetBestIsa(), from, default, to, values.Length, rate, (ulong)seed);
        return result;
    }
}
