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
        Tensor result = NativeTensor.Empty(x.Sizes());
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
        return empty(x.Sizes(), x.dtype, x.device).bernoulli_(1 - site.Rate, generator).div_(1 - site.Rate);
    }
}

/// <summary>A residual plus a sublayer's dropped output, in the output's own memory.</summary>
internal sealed class DroppedSum : GradientFunction<DroppedSum, DropoutSite>
{
    /// <param name="residual">Any shape.</param>
    /// <param name="output">The same shape; overwritten, and no graph may need it: libtorch throws where one does.</param>
    /// <param name="site">What is dropped.</param>
    public static Tensor Of(Tensor residual, Tensor output, DropoutSite site) => Call(site, residual, output);

    protected override (Tensor Output, Tensor?[] Saved) Forward(DropoutSite site, IReadOnlyList<Tensor> inputs)
    {
        Tensor sum = inputs[1].detach();
        Dropout.AddDropped(inputs[0], sum, site);
        return (sum, []);
    }

    protected override Tensor?[] Backward(DropoutSite site, IReadOnlyList<Tensor> saved, Tensor gradient) =>
        [gradient.alias(), Dropout.Drop(gradient, site)];
}
