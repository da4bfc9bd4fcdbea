using Microsoft.ML.Peft.Estimators;
using TorchSharp;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>How many tensors are alive.</summary>
public static class LiveTensors
{
    /// <summary>
    /// Those that something refers to: what earlier tests dropped is collected first, lest it go while a test counts. It may be held
    /// by what is finalized before it, so that one collection is not enough.
    /// </summary>
    public static long Settled()
    {
        long before;
        do
        {
            before = torch.Tensor.TotalCount;
            GC.Collect();
            GC.WaitForPendingFinalizers();
            // A model whose last engine is collected goes on a thread of the pool.
            SpinWait.SpinUntil(() => ModelGate.Pending == 0);
        }
        while (torch.Tensor.TotalCount != before);
        return before;
    }
}
