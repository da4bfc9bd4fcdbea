using System.Diagnostics;
using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Training.OptimizerStates;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training.Estimates;

/// <summary>How long an update takes.</summary>
internal static class OptimizerTime
{
    /// <summary>Seconds for one parameter of so many values, the better of two updates.</summary>
    public static double Of(TrainingSettings options, long values, Device device)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        using var memory = new ResidentMemory();
        Tensor parameter = zeros(values, ScalarType.Float32, device), gradient = zeros(values, ScalarType.Float32, device);
        using Moments moments = OptimizerLayout.Of(options.Optimizer).Format.Create(parameter, memory);
        return Enumerable.Range(1, 2).Min(step =>
        {
            long start = Stopwatch.GetTimestamp();
            moments.Step(parameter, gradient, new AdamWStep(step)
            {
                LearningRate = options.LearningRate,
                Beta1 = options.Given.Beta1,
                Beta2 = options.Given.Beta2,
                Epsilon = options.Given.Epsilon,
                GradientScale = 1,
            });
            if (device.type == DeviceType.CUDA)
                cuda.synchronize(device);
            return Stopwatch.GetElapsedTime(start).TotalSeconds;
        });
    }
}
