using Microsoft.ML.Peft.Interop;

namespace Microsoft.ML.Peft.Quantization;

/// <summary>From floats to 4-bit codes, where the native library is absent.</summary>
internal static class PlainQuantizer
{
    private const float Least = 1e-38f;

    public static unsafe void Quantize(Elements<float> from, long count, FourBitCode code, int block, Elements<byte> to, Elements<float> largest)
    {
        float* values = from.Address, scales = largest.Address;
        byte* codes = to.Address;
        Parallel.For(0, (count + block - 1) / block, b =>
        {
            long start = b * block;
            int size = (int)Math.Min(block, count - start);
            scales[b] = Block(values + start, size, size == block, code, codes + start / 2);
        });
        from.KeepAlive();
        to.KeepAlive();
        largest.KeepAlive();
    }

    private static unsafe float Block(float* values, int count, bool whole, FourBitCode code, byte* codes)
    {
        float scale = Magnitude.Largest(values, count), divisor = Math.Max(scale, Least), factor = 1 / divisor;
        for (int i = 0; i < count; i += 2)
        {
            int first = CodeOf(values[i]), second = i + 1 < count ? CodeOf(values[i + 1]) : CodeOf(0);
            codes[i / 2] = (byte)(first << 4 | second);
        }
        return whole ? scale : divisor;

        // bitsandbytes multiplies in whole blocks and divides in the short one at the end.
        int CodeOf(float value) => code.Order[Below(whole ? value * factor : value / divisor, code.Bounds)];
    }

    private static int Below(float value, float[] bounds)
    {
        int count = 0;
        while (count < bounds.Length && value > bounds[count])
            count++;
        return count;
    }
}
