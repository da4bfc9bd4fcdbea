using Microsoft.ML.Peft.Interop;

namespace Microsoft.ML.Peft.Tests.Interop;

/// <summary>What tests of native kernels share: the ragged sizes, the instruction sets, noise.</summary>
internal static class NativeFact
{
    /// <summary>Around the widths of registers, chunks and blocks.</summary>
    internal static readonly int[] RaggedSizes = [0, 1, 7, 8, 15, 16, 17, 33, 1023, 16_384, 16_385, 32_769, 100_003];

    internal static void Require()
    {
        if (!PeftNative.IsAvailable)
            Assert.Inconclusive(PeftNative.UnavailableReason ?? "");
    }

    /// <summary>Those that this CPU has; each is compared with the plain C# reference.</summary>
    internal static IEnumerable<int> InstructionSets => Enumerable.Range(0, NativeMethods.GetBestIsa() + 1);

    internal static float[] Noise(int seed, int count, float scale = 1)
    {
        var random = new Random(seed);
        var noise = new float[count];
        for (int i = 0; i < count; i++)
            noise[i] = scale * (float)(random.NextDouble() * 2 - 1);
        return noise;
    }
}
