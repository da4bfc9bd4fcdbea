using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Quantization;
using Microsoft.ML.Peft.Training.OptimizerStates;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Interop;

[TestClass]
public sealed unsafe class AdamW8BitTests
{
    private static readonly AdamWStep[] Steps = [new(1), new(2) { GradientScale = 0.3, WeightDecay = 0 }, new(3) { Beta1 = 0.95, Epsilon = 1e-6 }];

    [TestMethod]
    public void The_unsigned_levels_are_twice_as_fine()
    {
        float[] signed = DynamicMap.Levels, unsigned = DynamicMap.UnsignedLevels;
        Assert.HasCount(256, unsigned);
        CollectionAssert.AreEqual(unsigned.Order().ToArray(), unsigned);
        Assert.AreEqual((0f, 1f), (unsigned[0], unsigned[^1]));
        // Of the finest decade 0.1 to 1 is cut in two, of the coarsest in 128.
        Assert.AreEqual(3.25e-7, unsigned[1], 1e-12);
        Assert.AreEqual(7.75e-7, unsigned[2], 1e-12);
        Assert.AreEqual(1 - (0.9 / 128 / 2), unsigned[254], 1e-6);
        Assert.AreEqual(127, signed.Count(level => level < 0));
    }

    /// <summary>What the kernel's table rests on.</summary>
    [TestMethod]
    public void No_sixteen_bits_begin_floats_of_three_codes()
    {
        foreach (float[] bounds in new[] { DynamicMap.Bounds(DynamicMap.Levels), DynamicMap.Bounds(DynamicMap.UnsignedLevels) })
        {
            var cells = bounds.SkipLast(1).Select(bound => BitConverter.SingleToUInt32Bits(bound) >> 16).ToList();
            Assert.HasCount(255, cells.Distinct().ToList());
        }
    }

    [TestMethod]
    public void Every_instruction_set_gives_the_bits_of_the_reference()
    {
        NativeFact.Require();
        foreach (int count in NativeFact.RaggedSizes)
            foreach (int isa in NativeFact.InstructionSets)
            {
                BlockwiseState expected = new(count), actual = new(count);
                foreach (AdamWStep step in Steps)
                {
                    expected.Reference(step);
                    actual.Native(isa, step);
                    expected.AssertSameBits(actual, $"{count} values, instruction set {isa}, step {step.Number}");
                }
            }
    }

    /// <summary>A step is that of 32 bits over the moments that were kept; what is kept of them is within half a gap between levels.</summary>
    [TestMethod]
    public void Only_what_is_kept_is_rounded()
    {
        NativeFact.Require();
        const int Count = 10_000;
        var state = new BlockwiseState(Count);
        foreach (AdamWStep step in Steps)
        {
            var (mean, variance) = state.Moments();
            float[] parameter = [.. state.Parameter];
            fixed (float* p = parameter, g = state.Gradient, m = mean, v = variance)
                PeftNative.AdamW(p, g, m, v, Count, step);
            state.Native(NativeMethods.BestIsa, step);
            CollectionAssert.AreEqual(parameter, state.Parameter);
            var (keptMean, keptVariance) = state.Moments();
            AssertRounded(mean, keptMean, DynamicMap.Levels);
            AssertRounded(variance, keptVariance, DynamicMap.UnsignedLevels);
        }
    }

    [TestMethod]
    public void TorchSharps_path_agrees()
    {
        NativeFact.Require();
        using var scope = NewDisposeScope();
        foreach (int count in new[] { 256, 5000, 70_001 })
        {
            (Tensor Parameter, BlockwiseMoment Mean, BlockwiseMoment Variance)[] states = [State(count), State(count)];
            IBlockwiseAdamWKernel[] kernels = [new TorchBlockwiseAdamW(), new NativeBlockwiseAdamW()];
            foreach (AdamWStep step in Steps)
            {
                Tensor gradient = tensor(NativeFact.Noise((int)step.Number, count, 0.1f));
                for (int k = 0; k < 2; k++)
                    kernels[k].Step(states[k].Parameter, gradient.clone(), states[k].Mean, states[k].Variance, step);
            }
            Assert.IsTrue(allclose(states[0].Parameter, states[1].Parameter, 1e-3, 1e-4));
            AssertNear(states[0].Mean, states[1].Mean);
            AssertNear(states[0].Variance, states[1].Variance);
        }

        static (Tensor, BlockwiseMoment, BlockwiseMoment) State(int count) => (tensor(NativeFact.Noise(9, count)), Moment(count), Moment(count));

        static BlockwiseMoment Moment(int count) => new(zeros(count, ScalarType.Byte), zeros((count + 255) / 256));

        // A rounding of the step's own may carry a value over the bound between two codes.
        static void AssertNear(BlockwiseMoment torch, BlockwiseMoment native)
        {
            Tensor apart = (torch.Codes.to(ScalarType.Int32) - native.Codes.to(ScalarType.Int32)).abs();
            Assert.IsLessThanOrEqualTo(1, apart.max().item<int>());
            Assert.IsLessThan(0.01, apart.to(ScalarType.Float32).mean().item<float>());
            Assert.IsTrue(allclose(torch.Scales, native.Scales, 1e-5, 0));
        }
    }

    private static void AssertRounded(float[] values, float[] kept, float[] levels)
    {
        for (int start = 0; start < values.Length; start += BlockwiseMoments.Block)
        {
            int size = Math.Min(BlockwiseMoments.Block, values.Length - start);
            float scale = values.Skip(start).Take(size).Max(MathF.Abs);
            for (int i = start; i < start + size; i++)
            {
                double nearest = levels.Min(level => Math.Abs(level - ((double)values[i] / scale)));
                Assert.AreEqual(nearest * scale, Math.Abs(values[i] - kept[i]), 1e-6 * scale, $"value {i}");
            }
        }
    }
}
