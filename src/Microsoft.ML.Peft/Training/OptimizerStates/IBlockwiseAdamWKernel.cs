using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Quantization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training.OptimizerStates;

/// <summary>A moment of n values in 8 bits.</summary>
/// <param name="Codes">[n], bytes.</param>
/// <param name="Scales">[n / 256, rounded up], floats.</param>
internal readonly record struct BlockwiseMoment(Tensor Codes, Tensor Scales);

/// <summary>One AdamW step over one parameter whose moments are in 8 bits, in place.</summary>
internal interface IBlockwiseAdamWKernel
{
    void Step(Tensor parameter, Tensor gradient, in BlockwiseMoment mean, in BlockwiseMoment variance, in AdamWStep step);
}

/// <summary>The fused native step: dense CPU floats.</summary>
internal sealed unsafe class NativeBlockwiseAdamW : IBlockwiseAdamWKernel
{
    private static readonly LevelTables Mean = new(DynamicMap.Levels), Variance = new(DynamicMap.UnsignedLevels);

    public void Step(Tensor parameter, Tensor gradient, in BlockwiseMoment mean, in BlockwiseMoment variance, in AdamWStep step)
    {
        fixed (float* meanLevels = Mean.Levels, meanBounds = Mean.Bounds, varianceLevels = Variance.Levels, varianceBounds = Variance.Bounds)
        fixed (byte* meanCells = Mean.Cells, varianceCells = Variance.Cells)
        {
            PeftNative.AdamW8Bit(
                NativeMethods.BestIsa, parameter, gradient,
                Describe(mean, meanLevels, meanBounds, meanCells), Describe(variance, varianceLevels, varianceBounds, varianceCells),
                parameter.numel(), step);
        }
    }

    private static MomentCall Describe(in BlockwiseMoment moment, float* levels, float* bounds, byte* cells) => new()
    {
        Codes = moment.Codes,
        Scales = moment.Scales,
        Levels = levels,
        Bounds = bounds,
        Cells = cells,
    };
}

/// <summary>The step in TorchSharp's operations: any device, any number type.</summary>
internal sealed class TorchBlockwiseAdamW : IBlockwiseAdamWKernel
{
    private static readonly IAdamWKernel Dense = new TorchAdamW();

    public void Step(Tensor parameter, Tensor gradient, in BlockwiseMoment mean, in BlockwiseMoment variance, in AdamWStep step)
    {
        using var scope = NewDisposeScope();
        Tensor means = Unpack(mean, DynamicMap.Levels, parameter), variances = Unpack(variance, DynamicMap.UnsignedLevels, parameter);
        Dense.Step(parameter, gradient, means, variances, step);
        Pack(means, DynamicMap.Levels, mean);
        Pack(variances, DynamicMap.UnsignedLevels, variance);
    }

    private static Tensor Unpack(in BlockwiseMoment moment, float[] levels, Tensor parameter)
    {
        Tensor values = tensor(levels, ScalarType.Float32, parameter.device).index_select(0, moment.Codes.to(ScalarType.Int64));
        return (values * BlockScales.Spread(moment.Scales, BlockwiseMoments.Block, values.numel())).view(parameter.Sizes()).to(parameter.dtype);
    }

    private static void Pack(Tensor values, float[] levels, in BlockwiseMoment moment)
    {
        long count = values.numel(), blocks = moment.Scales.numel();
        Tensor flat = values.flatten().to(ScalarType.Float32);
        Tensor rows = nn.functional.pad(flat, [0, (blocks * BlockwiseMoments.Block) - count]).view(blocks, -1);
        Tensor scales = rows.abs().amax([1]);
        Tensor shares = rows / where(scales.gt(zeros_like(scales)), scales, ones_like(scales)).unsqueeze(1);
        Tensor codes = bucketize(shares, tensor(DynamicMap.Bounds(levels), ScalarType.Float32, values.device));
        moment.Scales.copy_(scales);
        moment.Codes.copy_(codes.flatten().narrow(0, 0, count));
    }
}
