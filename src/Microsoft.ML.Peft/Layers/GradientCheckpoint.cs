using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>
/// Keeps a block's input alone and computes the block again for the backward pass (Chen et al. 2016). Dropout draws the
/// same numbers both times.
/// </summary>
internal sealed class GradientCheckpoint : autograd.SingleTensorFunction<GradientCheckpoint>
{
    private const string BlockKey = "block", StateKey = "state", FailureKey = "failure";

    [ThreadStatic]
    private static StrongBox<Exception?>? t_failure;

    public override string Name => nameof(GradientCheckpoint);

    private static StrongBox<Exception?> Failure => t_failure ??= new StrongBox<Exception?>();

    /// <summary>Runs a block; <see cref="Backward"/> of the loss runs it once more.</summary>
    public static Tensor Run(Tensor input, Func<Tensor, Tensor> block)
    {
        if (!is_grad_enabled())
            return block(input);
        // Without an input that asks for a gradient no node is made, and the block's own parameters get none.
        using Tensor? forced = input.requires_grad ? null : input.detach().requires_grad_();
        return apply(forced ?? input, block);
    }

    /// <summary>Runs the backward pass and throws what blocks threw in it.</summary>
    public static void Backward(Tensor loss)
    {
        Failure.Value = null;
        loss.backward();
        if (Failure.Value is { } failure)
            ExceptionDispatchInfo.Throw(failure);
    }

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var (input, block) = ((Tensor)vars[0], (Func<Tensor, Tensor>)vars[1]);
        ctx.save_for_backward([input]);
        ctx.save_data(BlockKey, block);
        ctx.save_data(StateKey, RandomState.Replayable(input.device));
        ctx.save_data(FailureKey, Failure);
        using var noGrad = no_grad();
        return block(input);
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        Tensor input = ctx.get_saved_variables()[0];
        using var state = (RandomState)ctx.get_data(StateKey);
        try
        {
            return [Recompute(input, grad_output, (Func<Tensor, Tensor>)ctx.get_data(BlockKey), state), null!];
        }
        catch (Exception e)
        {
            // An exception that crosses libtorch's engine ends the process: it waits in the box of the training thread.
            ((StrongBox<Exception?>)ctx.get_data(FailureKey)).Value ??= e;
            return [zeros_like(input), null!];
        }
    }

    private static Tensor Recompute(Tensor input, Tensor gradient, Func<Tensor, Tensor> block, RandomState state)
    {
        using var scope = NewDisposeScope();
        using var grad = enable_grad();
        using var before = RandomState.OfCpu();
        state.Restore();
        Tensor leaf = input.detach().requires_grad_();
        Tensor output = block(leaf);
        before.Restore();
        autograd.backward(output, gradient);
        return (leaf.grad ?? zeros_like(leaf)).MoveToOuterDisposeScope();
    }
}
