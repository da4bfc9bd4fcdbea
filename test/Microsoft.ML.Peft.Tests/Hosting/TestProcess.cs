using Microsoft.ML.Peft.Interop;

namespace Microsoft.ML.Peft.Tests.Hosting;

[TestClass]
public static class TestProcess
{
    private const long Threshold = 1 << 20;

    /// <summary>Freed blocks go back at once. This process alone: the children that tests start choose for themselves.</summary>
    [AssemblyInitialize]
    public static void TuneAllocator(TestContext _) => AllocatorTuning.TrySetMmapThreshold(Threshold);
}
