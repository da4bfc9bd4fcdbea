using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>Root mean square normalisation over the last dimension (Zhang and Sennrich 2019): x / √(mean(x²) + ε) · w.</summary>
internal sealed class RmsNorm(WeightScope scope, long width, double epsilon)
{
    // Held, since TorchSharp lets a number go within the call that reads it.
    private readonly Scalar _epsilon = epsilon;
    private readonly Parameter _weight = scope.Load("weight", Init.Ones, width);

    /// <summary>Floats a token that the backward pass needs besides the input.</summary>
    public long KeptFloats => _weight.Value.requires_grad ? _weight.Value.numel() : 0;

    public Tensor Forward(Tensor x)
    {
        using var call = NewDisposeScope();
        Tensor scale = x.square().mean([-1], keepdim: true).add_(_epsilon).rsqrt();
        return (x * scale * _weight.Value).MoveToOuterDisposeScope();
    }
}
