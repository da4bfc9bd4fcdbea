using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Quantization;

/// <summary>Levels with what finds the nearest one to a value.</summary>
internal sealed class LevelTables(float[] levels)
{
    public float[] Levels { get; } = levels;

    public float[] Bounds { get; } = DynamicMap.Bounds(levels);

    public byte[] Cells { get; } = DynamicMap.Cells(DynamicMap.Bounds(levels));
}

/// <summary>
/// The 8-bit dynamic levels of bitsandbytes: powers of ten from 1e-6 to 1, each cut twice as fine as the one below. A value's
/// code is looked up in a table of 65,536 steps from -1 to 1, as bitsandbytes does on a CPU; exact search differs near bounds.
/// </summary>
internal static class DynamicMap
{
    public const int Size = 256;

    private const int Powers = 7, Steps = 1 << 16;

    private static readonly Lazy<byte[]> Table = new(MakeTable);

    /// <summary>The levels from -1 to 1, in order.</summary>
    public static float[] Levels { get; } = MakeLevels(signed: true);

    /// <summary>Those from 0 to 1, twice as fine: for values that have no sign.</summary>
    public static float[] UnsignedLevels { get; } = MakeLevels(signed: false);

    /// <summary>
    /// Where each level gives way to the next: the nearest level to a value is the one with as many bounds below the value as its
    /// number. The last bound is infinite.
    /// </summary>
    public static float[] Bounds(float[] levels) => [.. levels.Zip(levels.Skip(1), (low, high) => 0.5f * (low + high)), float.PositiveInfinity];

    /// <summary>For the first 16 bits of a float, the code of the lowest float that begins so. None holds two bounds.</summary>
    public static byte[] Cells(float[] bounds)
    {
        var cells = new byte[1 << 16];
        for (int cell = 0; cell < cells.Length; cell++)
        {
            // Among negative numbers the lowest is the one of the largest magnitude.
            float lowest = BitConverter.Int32BitsToSingle((cell << 16) | (cell >= 1 << 15 ? 0xFFFF : 0));
            int place = Array.BinarySearch(bounds, lowest);
            cells[cell] = (byte)(place < 0 ? ~place : place);
        }
        return cells;
    }

    /// <summary>Quantizes blocks of values by their largest magnitude, which becomes the block's scale.</summary>
    public static unsafe void Quantize(Elements<float> from, long count, int block, Elements<byte> to, Elements<float> largest)
    {
        byte[] table = Table.Value;
        float* values = from.Address, scales = largest.Address;
        byte* codes = to.Address;
        Parallel.For(0, (count + block - 1) / block, b =>
        {
            long start = b * block;
            int size = (int)Math.Min(block, count - start);
            scales[b] = Magnitude.Largest(values + start, size);
            float factor = scales[b] == 0 ? 0 : 1 / scales[b];
            for (long i = start; i < start + size; i++)
                codes[i] = scales[b] == 0 ? (byte)0 : table[StepOf(values[i] * factor)];
        });
        from.KeepAlive();
        to.KeepAlive();
        largest.KeepAlive();
    }

    // A NaN ends where the clamp leaves it: its block's scale tells of it.
    private static int StepOf(float value) => (ushort)((Math.Clamp(value, -1f, 1f) + 1f) * 0.5f * (Steps - 1) + 0.5f);

    private static byte[] MakeTable()
    {
        var table = new byte[Steps];
        int code = 0;
        for (int i = 0; i < Steps; i++)
        {
            float value = -1f + 2f * i / (Steps - 1);
            while (code < Size - 1 && 0.5f * (Levels[code] + Levels[code + 1]) < value)
                code++;
            table[i] = (byte)code;
        }
        return table;
    }

    private static float[] MakeLevels(bool signed)
    {
        using var scope = NewDisposeScope();
        var levels = new List<float> { 0, 1 };
        for (int i = 0; i < Powers; i++)
        {
            Tensor bounds = linspace(0.1, 1, (1 << (signed ? i : i + 1)) + 1, ScalarType.Float32, CPU);
            Tensor means = (bounds[..^1] + bounds[1..]) / 2.0 * Math.Pow(10, i - (Powers - 1));
            levels.AddRange(means.data<float>());
            if (signed)
                levels.AddRange(means.neg().data<float>());
        }
        return [.. levels.Order()];
    }
}

/// <summary>The largest magnitude of values.</summary>
internal static class Magnitude
{
    // As integers, so that an infinity or a NaN wins.
    public static unsafe float Largest(float* values, int count)
    {
        int high = 0;
        for (int i = 0; i < count; i++)
            high = Math.Max(high, BitConverter.SingleToInt32Bits(values[i]) & int.MaxValue);
        return BitConverter.Int32BitsToSingle(high);
    }
}
