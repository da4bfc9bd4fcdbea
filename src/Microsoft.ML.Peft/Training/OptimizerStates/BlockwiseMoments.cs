using Microsoft.ML.Peft.Interop;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training.OptimizerStates;

/// <summary>
/// Moments in 8 bits (Dettmers et al. 2022, "8-bit Optimizers via Block-wise Quantization"), as bitsandbytes holds them:
/// dynamic levels times the largest magnitude of each block of 256 values. A step is taken with moments as floats; what is
/// kept of them is rounded to the nearest level.
/// </summary>
internal sealed class BlockwiseMoments(Tensor parameter, IStateMemory memory) : Moments
{
    /// <summary>Values that share a scale.</summary>
    public const int Block = 256;

    /// <summary>A parameter of fewer values keeps floats, as in bitsandbytes.</summary>
    public const int FewestValues = 4096;

    private static readonly IBlockwiseAdamWKernel Torch = new TorchBlockwiseAdamW(), Native = new NativeBlockwiseAdamW();

    private readonly StateTensor _mean = Codes(parameter, memory), _meanScales = Scales(parameter, memory);
    private readonly StateTensor _variance = Codes(parameter, memory), _varianceScales = Scales(parameter, memory);

    protected override IReadOnlyList<(string Name, StateTensor State)> Parts =>
        [(MeanPart, _mean), (MeanPart + "-scales", _meanScales), (VariancePart, _variance), (VariancePart + "-scales", _varianceScales)];

    /// <summary>The memory that the state of so many values takes.</summary>
    public static long BytesOf(long count) => 2 * (count + ((count + Block - 1) / Block * sizeof(float)));

    public override void Step(Tensor parameter, Tensor gradient, in AdamWStep step)
    {
        using StateTensor.Loan mean = _mean.Lend(), meanScales = _meanScales.Lend();
        using StateTensor.Loan variance = _variance.Lend(), varianceScales = _varianceScales.Lend();
        IBlockwiseAdamWKernel kernel = NativeAdamW.Takes(parameter, gradient) ? Native : Torch;
        kernel.Step(
            parameter, gradient, new BlockwiseMoment(mean.Value, meanScales.Value), new BlockwiseMoment(variance.Value, varianceScales.Value), step);
    }

    private static StateTensor Codes(Tensor parameter, IStateMemory memory) => memory.Zeros([parameter.numel()], ScalarType.Byte, parameter.device);

    private static StateTensor Scales(Tensor parameter, IStateMemory memory) =>
        memory.Zeros([(parameter.numel() + Block - 1) / Block], ScalarType.Float32, parameter.device);
}
