using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>Dropout (Srivastava et al. 2014) that keeps nothing: the backward pass draws the mask again from its seed.</summary>
internal sealed class Dropout : GradientFunction<Dropout, DropoutSite>
{
    public static Tensor Apply(Tensor x, DropoutSite site) => Call(site, x);

    /// <summary>The values times the mask of a site: 0, or 1 / (1 - rate). No graph is recorded.</summary>
    public static Tensor Drop(Tensor x, DropoutSite site)
    {
        using var scope = NewDisposeScope();
        // Device and type alone choose the mask: forward and backward must agree.
        Tensor result = PeftNative.Takes(x) ? DropNatively(x.contiguous(), site) : Mask(x, site).mul_(x);
        return result.MoveToOuterDisposeScope();
    }

    protected override (Tensor Output, Tensor?[] Saved) Forward(DropoutSite site, IReadOnlyList<Tensor> inputs) =>
        (Drop(inputs[0], site), []);

    protected override Tensor?[] Backward(DropoutSite site, IReadOnlyList<Tensor> saved, Tensor gradient) => [Drop(gradient, site)];

    private static unsafe Tensor DropNatively(Tensor x, DropoutSite site)
    {
        Tensor result = empty_like(x);
        PeftNative.Dropout(NativeTensor.Floats(x), NativeTensor.Floats(result), x.numel(), site.Rate, site.Seed);
        return result;
    }

    private static Tensor Mask(Tensor x, DropoutSite site)
    {
        using var generator = new Generator(unchecked((ulong)site.Seed), x.device);
        return empty(x.shape, x.dtype, x.device).bernoulli_(1 - site.Rate, generator).div_(1 - site.Rate);
    }
}
