using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>Keeps a block's inputs alone and computes the block again for the backward pass (Chen et al. 2016).</summary>
internal sealed class GradientCheckpoint : GradientFunction<GradientCheckpoint, Func<Tensor[], Tensor>>
{
    /// <summary>Runs a block, which must compute the same when <see cref="BackwardPass"/> runs it once more.</summary>
    /// <param name="block">The block. What it reads besides its inputs gets its gradient if it is a leaf, and none if it was computed.</param>
    /// <param name="inputs">What comes in; gradients flow to each.</param>
    public static Tensor Run(Func<Tensor[], Tensor> block, params Tensor[] inputs)
    {
        if (!is_grad_enabled())
            return block(inputs);
        // Without an input that asks for a gradient no node is made, and the block's own parameters get none.
        using Tensor? forced = Array.Exists(inputs, input => input.requires_grad) ? null : inputs[0].detach().requires_grad_();
        return Call(block, forced is null ? inputs : [forced, .. inputs[1..]]);
    }

    protected override (Tensor Output, Tensor?[] Saved) Forward(Func<Tensor[], Tensor> block, IReadOnlyList<Tensor> inputs) =>
        (block([.. inputs]), [.. inputs]);

    protected override Tensor?[] Backward(Func<Tensor[], Tensor> block, IReadOnlyList<Tensor> saved, Tensor gradient)
    {
        using var grad = enable_grad();
        Tensor[] leaves = [.. saved.Select(input => input.detach().requires_grad_())];
        BackwardPass.Run(block(leaves), gradient);
        return [.. leaves.Select(leaf => leaf.grad)];
    }
}
