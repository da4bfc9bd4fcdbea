using Microsoft.ML.Peft.Interop;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training.OptimizerStates;

/// <summary>The decaying sum of one parameter's gradients, along which it moves: SGD with momentum, as torch.optim.SGD has it without dampening.</summary>
internal sealed class Velocity(Tensor parameter, IStateMemory memory) : Moments
{
    private const string VelocityPart = "velocity";

    private readonly StateTensor _velocity = memory.Zeros(parameter.Sizes(), parameter.dtype, parameter.device);

    protected override IReadOnlyList<(string Name, StateTensor State)> Parts => [(VelocityPart, _velocity)];

    public override void Step(Tensor parameter, Tensor gradient, in AdamWStep step)
    {
        using var scope = NewDisposeScope();
        using StateTensor.Loan velocity = _velocity.Lend();
        velocity.Value.mul_(step.Beta1).add_(gradient, step.GradientScale).add_(parameter, step.WeightDecay);
        parameter.add_(velocity.Value, -step.LearningRate);
    }
}
