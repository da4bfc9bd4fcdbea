using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Interop;

/// <summary>
/// The native kernels. They are an optimization: where <see cref="IsAvailable"/> is false every caller has a path through
/// TorchSharp's own operations, and <see cref="UnavailableReason"/> goes into one log message.
/// </summary>
internal static class PeftNative
{
    private static readonly Lazy<string?> Reason = new(() => NativeLibraryLoader.Failure ?? CheckAbi());

    internal static bool IsAvailable => Reason.Value is null;

    /// <summary>Why the kernels cannot be used; null when they can.</summary>
    internal static string? UnavailableReason => Reason.Value;

    /// <summary>The kernels are there and work where this tensor is and on its type.</summary>
    internal static bool Takes(Tensor tensor) => IsAvailable && tensor.device_type == DeviceType.CPU && tensor.dtype == ScalarType.Float32;

    /// <summary>One AdamW step over contiguous CPU floats, in place.</summary>
    internal static void AdamW(
        Elements<float> parameter, Elements<float> gradient, Elements<float> mean, Elements<float> variance, long count, in AdamWStep step)
        => NativeMethods.AdamW(
            parameter, gradient, mean, variance, count, step.LearningRate, step.Beta1, step.Beta2, step.Epsilon,
            step.WeightDecay, step.Number, step.GradientScale);

    /// <summary>The same with moments in 8 bits; <paramref name="isa"/> is the highest instruction set to use.</summary>
    internal static void AdamW8Bit(int isa, Elements<float> parameter, Elements<float> gradient, in MomentCall mean, in MomentCall variance, long count, in AdamWStep step)
        => NativeMethods.AdamW8Bit(
            isa, parameter, gradient, mean, variance, count, step.LearningRate, step.Beta1, step.Beta2, step.Epsilon,
            step.WeightDecay, step.Number, step.GradientScale);

    /// <summary>The sum of the squares of contiguous CPU floats; the same bits for any number of threads.</summary>
    internal static double SumOfSquares(Elements<float> values, long count) => NativeMethods.SumOfSquares(values, count);

    /// <summary>Dropout of contiguous CPU floats, added to others where there are any; the seed and an element's index decide, not the threads.</summary>
    internal static void Dropout(Elements<float> values, Elements<float> sum, Elements<float> result, long count, double rate, long seed)
        => NativeMethods.Dropout(values, sum, result, count, rate, (ulong)seed);

    private static string? CheckAbi()
    {
        int found = NativeMethods.GetAbiVersion();
        return found == NativeMethods.AbiVersion
            ? null
            : $"{NativeLibraryLoader.Name} has interface version {found}, this assembly needs {NativeMethods.AbiVersion}.";
    }
}
