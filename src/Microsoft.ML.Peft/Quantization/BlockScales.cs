using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Quantization;

/// <summary>
/// The scales of a matrix's blocks: floats, or 8-bit codes of what they are above their mean, with a scale for each 256 of them
/// (double quantization).
/// </summary>
/// <param name="Floats">The scales, or those of the codes.</param>
/// <param name="Codes">8-bit codes; null where the scales are floats.</param>
/// <param name="Levels">The 256 levels of the codes.</param>
/// <param name="Offset">What was taken off first.</param>
internal sealed record BlockScales(Tensor Floats, Tensor? Codes = null, Tensor? Levels = null, float Offset = 0) : IDisposable
{
    /// <summary>Codes that share a scale.</summary>
    public const int Block = 256;

    public long Bytes => Floats.numel() * sizeof(float) + (Codes?.numel() ?? 0);

    /// <summary>Quantizes scales on the CPU. The result belongs to no scope.</summary>
    public static BlockScales Nested(Tensor scales)
    {
        using var scope = NewDisposeScope();
        Tensor mean = scales.mean(), above = (scales - mean).contiguous();
        long count = above.numel();
        Tensor codes = empty(count, ScalarType.Byte, CPU), floats = NativeTensor.Empty((count + Block - 1) / Block);
        DynamicMap.Quantize(above, count, Block, codes, floats);
        return new BlockScales(
            floats.DetachFromDisposeScope(), codes.DetachFromDisposeScope(), tensor(DynamicMap.Levels, ScalarType.Float32, CPU).DetachFromDisposeScope(), mean.item<float>());
    }

    /// <summary>One float a block.</summary>
    public Tensor Values()
    {
        if (Codes is null)
            return Floats.alias();
        using var scope = NewDisposeScope();
        Tensor levels = Levels!.index_select(0, Codes.to(ScalarType.Int64));
        return (levels * Spread(Floats, Block, levels.numel()) + Offset).MoveToOuterDisposeScope();
    }

    /// <summary>Repeats each value for the elements of its block.</summary>
    public static Tensor Spread(Tensor values, long block, long count) => values.repeat_interleave(block).narrow(0, 0, count);

    /// <summary>The same on another device, in place of this one.</summary>
    public BlockScales To(Device device) => new(Moved(Floats, device), Codes is null ? null : Moved(Codes, device), Levels is null ? null : Moved(Levels, device), Offset);

    public void Dispose()
    {
        Floats.Dispose();
        Codes?.Dispose();
        Levels?.Dispose();
    }

    private static Tensor Moved(Tensor tensor, Device device) => tensor.to(device, disposeAfter: true).DetachFromDisposeScope();
}
