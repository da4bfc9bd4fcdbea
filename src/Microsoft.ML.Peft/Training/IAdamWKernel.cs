using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training;

/// <summary>One AdamW step over one parameter, in place; all tensors are of one shape.</summary>
internal interface IAdamWKernel
{
    void Step(Tensor parameter, Tensor gradient, Tensor mean, Tensor variance, in AdamWStep step);
}

/// <summary>The step in TorchSharp's operations: any device, any number type.</summary>
internal sealed class TorchAdamW : IAdamWKernel
{
    public void Step(Tensor parameter, Tensor gradient, Tensor mean, Tensor variance, in AdamWStep step)
    {
        using var scope = NewDisposeScope();
        double stepSize = step.LearningRate / (1 - Math.Pow(step.Beta1, step.Number));
        double correction = Math.Sqrt(1 - Math.Pow(step.Beta2, step.Number));
        if (step.GradientScale != 1)
            gradient.mul_(step.GradientScale);
        parameter.mul_(1 - step.LearningRate * step.WeightDecay);
        mean.mul_(step.Beta1).add_(gradient, 1 - step.Beta1);
        variance.mul_(step.Beta2).addcmul_(gradient, gradient, 1 - step.Beta2);
        Tensor denominator = variance.sqrt().div_(correction).add_(step.Epsilon);
        parameter.addcdiv_(mean, denominator, -stepSize);
    }
}

/// <summary>The fused native step: dense CPU floats.</summary>
internal sealed class NativeAdamW : IAdamWKernel
{
    public static bool Takes(Tensor parameter, Tensor gradient) => IsPlain(parameter) && IsPlain(gradient);

    public void Step(Tensor parameter, Tensor gradient, Tensor mean, Tensor variance, in AdamWStep step) =>
        PeftNative.AdamW(
            parameter, gradient, mean, variance,
            parameter.numel(), step);

    private static bool IsPlain(Tensor tensor) => PeftNative.Takes(tensor) && tensor.is_contiguous();
}
