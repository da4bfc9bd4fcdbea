using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>
/// The backward pass through our own functions. An exception that crosses libtorch's engine ends the process: they leave it
/// in the box of the thread that ran the forward pass, and it is thrown afterwards.
/// </summary>
internal static class BackwardPass
{
    [ThreadStatic]
    private static StrongBox<Exception?>? t_failure;

    [ThreadStatic]
    private static Tensor?[]? t_handedOut;

    public static StrongBox<Exception?> Failure => t_failure ??= new StrongBox<Exception?>();

    /// <summary>Computes the gradients of the leaves and throws what our functions threw meanwhile.</summary>
    /// <param name="output">The loss, or any output.</param>
    /// <param name="gradient">The output's gradient; null for that of a loss.</param>
    public static void Run(Tensor output, Tensor? gradient = null)
    {
        // What a pass left in which this one is nested.
        Exception? earlier = Failure.Value;
        Failure.Value = null;
        if (gradient is null)
            output.backward();
        else
            autograd.backward(output, gradient);
        (Exception? failure, Failure.Value) = (Failure.Value, earlier);
        if (failure is not null)
            ExceptionDispatchInfo.Throw(failure);
    }

    /// <summary>
    /// Notes gradients that a function hands to the engine, and lets those of the function before go: the engine has its own
    /// references by now, and in the step's dispose scope a whole pass's would pile up.
    /// </summary>
    public static void HandOut(Tensor?[] gradients)
    {
        foreach (Tensor? old in t_handedOut ?? [])
            old?.Dispose();
        t_handedOut = gradients;
    }
}
