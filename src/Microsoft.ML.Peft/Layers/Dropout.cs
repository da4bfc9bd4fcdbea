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
        if (!PeftNative.Takes(x))
            return Mask(x, site).mul_(x).MoveToOuterDisposeScope();
        Tensor result = NativeTensor.Empty(x.shape);
        DropNatively(x.contiguous(), null, result, site);
        return result.MoveToOuterDisposeScope();
    }

    /// <summary>Makes x the sum of a residual and its own dropped values. No graph is recorded.</summary>
    public static void AddDropped(Tensor residual, Tensor x, DropoutSite site)
    {
        using var scope = NewDisposeScope();
        if (PeftNative.Takes(x) && PeftNative.Takes(residual) && x.is_contiguous())
        {
            DropNatively(x, residual.contiguous(), x, site);
            // Of a write behind its back libtorch learns by one to none of the elements.
            x.narrow(0, 0, 0).zero_();
        }
        else
            x.copy_(Elementwise.Add(residual, Drop(x, site)));
    }

    protected override (Tensor Output, Tensor?[] Saved) Forward(DropoutSite site, IReadOnlyList<Tensor> inputs) =>
        (Drop(inputs[0], site), []);

    protected override Tensor?[] Backward(DropoutSite site, IReadOnlyList<Tensor> saved, Tensor gradient) => [Drop(gradient, site)];

    private static void DropNatively(Tensor x, Tensor? sum, Tensor result, DropoutSite site) => PeftNative.Dropout(
        x, sum, result, x.numel(), site.Rate, site.Seed);

    private static Tensor Mask(Tensor x, DropoutSite site)
    {
        using var generator = new Generator(unchecked((ulong)site.Seed), x.device);
        return empty(x.shape, x.dtype, x.device).bernoulli_(1 - site.Rate, generator).div_(1 - site.Rate);
    }
}
