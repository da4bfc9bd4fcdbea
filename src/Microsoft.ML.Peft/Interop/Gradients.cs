using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Interop;

/// <summary>The thread's gradient modes (<c>no_grad</c>, <c>inference_mode</c>), which belong to the caller.</summary>
internal static class Gradients
{
    /// <summary>
    /// As a new process has them, until it is disposed: for what trains, and for what makes tensors that last, which must not be
    /// inference tensors for ever. To switch inference mode off switches gradients on.
    /// </summary>
    public static IDisposable AsByDefault() => inference_mode(false);
}
