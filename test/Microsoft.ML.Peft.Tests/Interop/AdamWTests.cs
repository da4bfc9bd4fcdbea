using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Interop;

[TestClass]
public sealed unsafe class AdamWTests
{
    private static readonly AdamWStep[] Steps =
    [
        new(1),
        new(2) { LearningRate = 3e-4, WeightDecay = 0, GradientScale = 0.37 },
        new(1000) { LearningRate = 5e-5, Beta1 = 0.95, Beta2 = 0.98, Epsilon = 1e-6, WeightDecay = 0.1 },
    ];

    [TestMethod]
    public void EqualsTheReferenceBitForBit()
    {
        NativeFact.Require();
        foreach (int count in NativeFact.RaggedSizes)
            foreach (int isa in NativeFact.InstructionSets)
            {
                AdamWState expected = AdamWState.Make(count), actual = AdamWState.Make(count);
                foreach (AdamWStep step in Steps)
                {
                    expected.Reference(step);
                    actual.Native(isa, step);
                    expected.AssertSameBits(actual, $"{count} values, instruction set {isa}, step {step.Number}");
                }
            }
    }

    [TestMethod]
    public void AnInstructionSetThatTheCpuLacksIsRefused()
    {
        NativeFact.Require();
        AdamWState untouched = AdamWState.Make(16), state = AdamWState.Make(16);
        Assert.AreEqual(0, state.Native(int.MaxValue, new(1)));
        untouched.AssertSameBits(state, "refused");
    }

    [TestMethod]
    public void FollowsTorchsOptimizer()
    {
        NativeFact.Require();
        using var scope = NewDisposeScope();
        AdamWState state = AdamWState.Make(1000);
        using var parameter = new TorchSharp.Modules.Parameter(tensor(state.Parameter));
        using var optimizer = optim.AdamW([parameter], lr: 1e-2, weight_decay: 0.05);
        for (int step = 1; step <= 20; step++)
        {
            float[] gradient = NativeFact.Noise(step, 1000);
            parameter.grad = tensor(gradient);
            optimizer.step()?.Dispose();
            state.Gradient = gradient;
            state.Native(0, new(step) { LearningRate = 1e-2, WeightDecay = 0.05 });
        }
        using Tensor difference = (parameter - tensor(state.Parameter)).abs().max();
        Assert.IsLessThan(1e-6, difference.item<float>());
    }

    /// <summary>A figure, not a check: <c>--filter TestCategory=Benchmark</c> and PEFT_BENCHMARK=1.</summary>
    [TestMethod, TestCategory("Benchmark")]
    public void TimeAgainstTorch()
    {
        NativeFact.Require();
        if (Environment.GetEnvironmentVariable("PEFT_BENCHMARK") != "1")
            Assert.Inconclusive("Set PEFT_BENCHMARK=1 to measure.");
        const int count = 125_000_000;
        using Tensor p = zeros(count), g = randn(count), m = zeros(count), v = zeros(count);
        static float* Pointer(Tensor t) => (float*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(t.bytes));
        double fused = Best(step => PeftNative.AdamW(Pointer(p), Pointer(g), Pointer(m), Pointer(v), count, new(step)));
        double norm = Best(_ => PeftNative.SumOfSquares(Pointer(g), count));
        using var parameter = new TorchSharp.Modules.Parameter(p);
        parameter.grad = g;
        using var optimizer = optim.AdamW([parameter], lr: 1e-3, weight_decay: 1e-2);
        double torchs = Best(_ => optimizer.step()?.Dispose());
        Console.WriteLine($"125M parameters: fused {fused:F0} ms, TorchSharp AdamW {torchs:F0} ms, sum of squares {norm:F0} ms.");
    }

    private static double Best(Action<int> action)
    {
        action(1);
        return Enumerable.Range(2, 4).Min(step =>
        {
            var watch = Stopwatch.StartNew();
            action(step);
            return watch.Elapsed.TotalMilliseconds;
        });
    }
}
