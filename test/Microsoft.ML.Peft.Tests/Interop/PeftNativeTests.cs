using Microsoft.ML.Peft.Interop;
using TorchSharp;

namespace Microsoft.ML.Peft.Tests.Interop;

[TestClass]
public sealed class PeftNativeTests
{
    [TestMethod]
    public void AReasonIsGivenExactlyWhenTheLibraryIsAbsent()
        => Assert.AreEqual(PeftNative.IsAvailable, PeftNative.UnavailableReason is null);

    [TestMethod]
    public void ThreadsAreSharedWithLibtorch()
    {
        NativeFact.Require();
        int before = torch.get_num_threads();
        torch.set_num_threads(before + 1);
        int seen = NativeMethods.GetMaxThreads();
        torch.set_num_threads(before);
        Assert.AreEqual(before + 1, seen);
    }

    [TestMethod]
    public void ThresholdIsSetOnGlibcOnly()
    {
        NativeFact.Require();
        Assert.AreEqual(AllocatorTuning.TrySetMmapThreshold(1 << 20), NativeMethods.SetMmapThreshold(1 << 20) == 1);
        Assert.AreEqual(0, NativeMethods.SetMmapThreshold(-1));
        Assert.IsFalse(AllocatorTuning.TrySetMmapThreshold(-1));
        Assert.IsFalse(AllocatorTuning.TrySetMmapThreshold(1L << 40));
    }

    [TestMethod]
    public void FreedBlocksGoBackToTheSystemUnderTheThreshold()
    {
        if (!AllocatorTuning.TrySetMmapThreshold(1 << 18))
            Assert.Inconclusive("This C library has no mallopt.");
        AllocateAndFree(); // loads libtorch
        long before = Environment.WorkingSet;
        for (int round = 0; round < 3; round++)
            AllocateAndFree();
        Assert.IsLessThan(32L << 20, Environment.WorkingSet - before);
    }

    private static void AllocateAndFree()
    {
        using var scope = torch.NewDisposeScope();
        for (int i = 0; i < 64; i++)
            torch.ones(1 << 18);
    }
}
