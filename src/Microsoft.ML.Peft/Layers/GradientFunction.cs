using System.Runtime.CompilerServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>
/// A function of tensors with a backward pass of its own; <typeparamref name="TCall"/> is all else that a call brings.
/// </summary>
internal abstract class GradientFunction<TSelf, TCall> : autograd.SingleTensorFunction<TSelf>
    where TSelf : GradientFunction<TSelf, TCall>, new()
    where TCall : class
{
    private const string StateKey = "state";
    private static readonly TSelf s_plain = new();

    public sealed override string Name => typeof(TSelf).Name;

    /// <summary>Computes the output and names the tensors that the backward pass needs. No graph is recorded.</summary>
    protected abstract (Tensor Output, Tensor?[] Saved) Forward(TCall call, IReadOnlyList<Tensor> inputs);

    /// <summary>Computes a new tensor for the gradient of each input; null for an input that needs none.</summary>
    protected abstract Tensor?[] Backward(TCall call, IReadOnlyList<Tensor> saved, Tensor gradient);

    protected static Tensor Call(TCall call, params Tensor[] inputs)
    {
        // A decoder's step is hundreds of calls: what they make goes with the block's scope.
        if (!is_grad_enabled())
            return s_plain.Forward(call, inputs).Output;
        // With the scope goes an empty copy of the output, which TorchSharp would keep until the graph is gone.
        using var scope = NewDisposeScope();
        if (!Array.Exists(inputs, input => input.requires_grad))
            return s_plain.Forward(call, inputs).Output.MoveToOuterDisposeScope();
        return apply([.. inputs, call]).MoveToOuterDisposeScope();
    }

    public sealed override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var call = (TCall)vars[^1];
        Tensor[] inputs = [.. vars[..^1].Cast<Tensor>()];
        var (output, saved) = Forward(call, inputs);
        ctx.set_materialize_grads(false);
        ctx.save_data(StateKey, new State(call, inputs.Length, BackwardPass.Failure));
        ctx.save_for_backward([.. saved!]);
        return output;
    }

    public sealed override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        var state = (State)ctx.get_data(StateKey);
        var gradients = new Tensor?[state.Inputs];
        using var scope = NewDisposeScope();
        try
        {
            // None comes where the function above this one failed.
            if (!grad_output.IsInvalid)
                gradients = Backward(state.Call, ctx.get_saved_variables(), grad_output);
        }
        catch (Exception e)
        {
            state.Failure.Value ??= e;
        }
        grad_output.Dispose();
        foreach (Tensor gradient in gradients.OfType<Tensor>())
            scope.MoveToOuter(gradient);
        BackwardPass.HandOut(gradients);
        return gradients.Append(null).ToList()!;
    }

    private sealed record State(TCall Call, int Inputs, StrongBox<Exception?> Failure);
}

/// <summary>What a call brings besides tensors where that is nothing.</summary>
internal sealed record NoSettings
{
    public static NoSettings Instance { get; } = new();
}
