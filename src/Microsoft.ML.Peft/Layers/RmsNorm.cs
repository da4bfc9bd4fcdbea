using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>Root mean square normalisation over the last dimension (Zhang and Sennrich 2019): x / √(mean(x²) + ε) · w.</summary>
internal sealed class RmsNorm(WeightScope scope, long width, double epsilon)
    : NormSite(scope, new NormWeights(scope.Load("weight", Init.Ones, width), null))
{
    // Held, since TorchSharp lets a number go within the call that reads it.
    private readonly Scalar _epsilon = epsilon;

    protected override Tensor Forward(Tensor x, NormWeights weights)
    {
        Tensor weight = weights.Weight.Value;
        return PeftNative.Takes(x) && PeftNative.Takes(weight) ? NativeRmsNorm.Apply(x, weight, epsilon) : Plainly(x, weight);
    }

    private Tensor Plainly(Tensor x, Tensor weight)
    {
        using var call = NewDisposeScope();
        Tensor scale = x.square().mean([-1], keepdim: true).add_(_epsilon).rsqrt();
        return (x * scale * weight).MoveToOuterDisposeScope();
    }
}

/// <summary>The same in one pass over memory; the backward pass keeps a number a row.</summary>
internal sealed class NativeRmsNorm : GradientFunction<NativeRmsNorm, NativeRmsNorm.Settings>
{
    public static Tensor Apply(Tensor x, Tensor weight, double epsilon) => Call(new Settings(epsilon, weight.requires_grad), x, weight);

    protected override (Tensor Output, Tensor?[] Saved) Forward(Settings call, IReadOnlyList<Tensor> inputs)
    {
        var (x, weight) = (NativeTensor.Dense(inputs[0]), NativeTensor.Dense(inputs[1]));
        long width = weight.size(0), rows = x.numel() / width;
        Tensor output = NativeTensor.Empty(x, width), scales = NativeTensor.Empty(rows);
        NativeMethods.RmsNorm(
            NativeMethods.BestIsa, x, weight, rows, width, call.Epsilon, output,
            scales);
        return (output, [x, weight, scales]);
    }

    protected override Tensor?[] Backward(Settings call, IReadOnlyList<Tensor> saved, Tensor gradient)
    {
        var (x, weight, scales) = (saved[0], saved[1], saved[2]);
        Tensor dense = gradient.contiguous(), result = NativeTensor.Empty(x.Sizes());
        NativeMethods.RmsNormBackward(
            NativeMethods.BestIsa, x, weight, scales, dense,
            scales.size(0), weight.size(0), result);
        return [result, call.WeightAsks ? WeightGradient(x, scales, dense) : null];
    }

    private static Tensor WeightGradient(Tensor x, Tensor scales, Tensor gradient)
    {
        using var scope = NewDisposeScope();
        Tensor normed = x.view(scales.size(0), -1) * scales.unsqueeze(1);
        return normed.mul_(gradient.view(scales.size(0), -1)).sum([0L]).MoveToOuterDisposeScope();
    }

    internal sealed record Settings(double Epsilon, bool WeightAsks);
}
