using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>Keeps a block's input alone and computes the block again for the backward pass (Chen et al. 2016).</summary>
internal sealed class GradientCheckpoint : GradientFunction<GradientCheckpoint, Func<Tensor, Tensor>>
{
    /// <summary>Runs a block, which must compute the same when <see cref="BackwardPass"/> runs it once more.</summary>
    public static Tensor Run(Tensor input, Func<Tensor, Tensor> block)
    {
        if (!is_grad_enabled())
            return block(input);
        // Without an input that asks for a gradient no node is made, and the block's own parameters get none.
        using Tensor? forced = input.requires_grad ? null : input.detach().requires_grad_();
        return Call(block, forced ?? input);
    }

    protected override (Tensor Output, Tensor?[] Saved) Forward(Func<Tensor, Tensor> block, IReadOnlyList<Tensor> inputs) =>
        (block(inputs[0]), [inputs[0]]);

    protected override Tensor?[] Backward(Func<Tensor, Tensor> block, IReadOnlyList<Tensor> saved, Tensor gradient)
    {
        using var grad = enable_grad();
        Tensor leaf = saved[0].detach().requires_grad_();
        BackwardPass.Run(block(leaf), gradient);
        return [leaf.grad];
    }
}
