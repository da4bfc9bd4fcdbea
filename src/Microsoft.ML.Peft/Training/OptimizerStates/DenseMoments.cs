using Microsoft.ML.Peft.Interop;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training.OptimizerStates;

/// <summary>Moments in the parameter's own shape and type.</summary>
internal sealed class DenseMoments(Tensor parameter, IStateMemory memory) : Moments
{
    private static readonly IAdamWKernel Torch = new TorchAdamW(), Native = new NativeAdamW();

    private readonly StateTensor _mean = memory.Zeros(parameter.Sizes(), parameter.dtype, parameter.device);
    private readonly StateTensor _variance = memory.Zeros(parameter.Sizes(), parameter.dtype, parameter.device);

    protected override IReadOnlyList<(string Name, StateTensor State)> Parts => [(MeanPart, _mean), (VariancePart, _variance)];

    public override void Step(Tensor parameter, Tensor gradient, in AdamWStep step)
    {
        using StateTensor.Loan mean = _mean.Lend(), variance = _variance.Lend();
        IAdamWKernel kernel = NativeAdamW.Takes(parameter, gradient) ? Native : Torch;
        kernel.Step(parameter, gradient, mean.Value, variance.Value, step);
    }
}
