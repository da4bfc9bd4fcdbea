using System.Runtime.InteropServices;
using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Quantization;

namespace Microsoft.ML.Peft.Tests.Interop;

/// <summary>A parameter with moments in 8 bits, stepped by the native kernel or by the formula written out.</summary>
internal sealed unsafe class BlockwiseState(int count)
{
    private const int Block = 256;

    private readonly Moment _mean = new(count, DynamicMap.Levels), _variance = new(count, DynamicMap.UnsignedLevels);

    public float[] Parameter { get; } = NativeFact.Noise(1, count);

    public float[] Gradient { get; } = NativeFact.Noise(2, count, 0.1f);

    public (float[] Mean, float[] Variance) Moments() => (_mean.Values(), _variance.Values());

    public void Native(int isa, in AdamWStep step)
    {
        fixed (float* p = Parameter, g = Gradient, ms = _mean.Scales, ml = _mean.Levels, mb = _mean.Bounds)
        fixed (float* vs = _variance.Scales, vl = _variance.Levels, vb = _variance.Bounds)
        fixed (byte* mc = _mean.Codes, vc = _variance.Codes, mt = _mean.Cells, vt = _variance.Cells)
        {
            PeftNative.AdamW8Bit(
                isa, p, g, new MomentCall { Codes = mc, Scales = ms, Levels = ml, Bounds = mb, Cells = mt },
                new MomentCall { Codes = vc, Scales = vs, Levels = vl, Bounds = vb, Cells = vt }, count, step);
        }
    }

    public void Reference(in AdamWStep step)
    {
        var (mean, variance) = Moments();
        new AdamWState(Parameter, Gradient, mean, variance).Reference(step);
        _mean.Keep(mean);
        _variance.Keep(variance);
    }

    public void AssertSameBits(BlockwiseState other, string what)
    {
        AssertSame(Parameter, other.Parameter, what);
        AssertSame(_mean.Scales, other._mean.Scales, what);
        AssertSame(_variance.Scales, other._variance.Scales, what);
        CollectionAssert.AreEqual(_mean.Codes, other._mean.Codes, what);
        CollectionAssert.AreEqual(_variance.Codes, other._variance.Codes, what);
    }

    private static void AssertSame(float[] expected, float[] actual, string what) =>
        Assert.IsTrue(MemoryMarshal.AsBytes<float>(expected).SequenceEqual(MemoryMarshal.AsBytes<float>(actual)), what);

    private sealed class Moment(int count, float[] levels)
    {
        public byte[] Codes { get; } = new byte[count];

        public float[] Scales { get; } = new float[(count + Block - 1) / Block];

        public float[] Levels => levels;

        public float[] Bounds { get; } = DynamicMap.Bounds(levels);

        public byte[] Cells { get; } = DynamicMap.Cells(DynamicMap.Bounds(levels));

        public float[] Values() => [.. Codes.Select((code, i) => levels[code] * Scales[i / Block])];

        public void Keep(float[] values)
        {
            for (int block = 0; block < Scales.Length; block++)
            {
                Span<float> part = values.AsSpan(block * Block, Math.Min(Block, count - (block * Block)));
                float scale = 0;
                foreach (float value in part)
                    scale = Math.Max(scale, Math.Abs(value));
                Scales[block] = scale;
                for (int i = 0; i < part.Length; i++)
                {
                    float share = part[i] / (scale > 0 ? scale : 1);
                    int place = Array.BinarySearch(Bounds, share);
                    Codes[(block * Block) + i] = (byte)(place < 0 ? ~place : place);
                }
            }
        }
    }
}
