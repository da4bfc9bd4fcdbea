using System.Buffers.Binary;

namespace Microsoft.ML.Peft.Checkpoints.Gguf;

/// <summary>
/// GGML's blocks of 32 elements: a scale d of half precision, in some a minimum m, and the quants q. An element is (q - zero)·d, or
/// q·d + m. Operations are in GGML's order, so that values agree to the bit. Quants of 4 bits lie two to a byte, those of the first
/// half of the block in the low bits.
/// </summary>
internal static class SmallBlocks
{
    private const int Size = 32, Half = Size / 2;

    public static void Q4_0(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = Scale(block);
        ReadOnlySpan<byte> quants = block.Slice(2, Half);
        values = values[..Size];
        for (int i = 0; i < Half; i++)
        {
            values[i] = ((quants[i] & 15) - 8) * d;
            values[i + Half] = ((quants[i] >> 4) - 8) * d;
        }
    }

    public static void Q4_1(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = Scale(block), m = Scale(block[2..]);
        ReadOnlySpan<byte> quants = block.Slice(4, Half);
        values = values[..Size];
        for (int i = 0; i < Half; i++)
        {
            values[i] = (quants[i] & 15) * d + m;
            values[i + Half] = (quants[i] >> 4) * d + m;
        }
    }

    /// <summary>The fifth bits of all quants stand before the others.</summary>
    public static void Q5_0(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = Scale(block);
        uint high = BinaryPrimitives.ReadUInt32LittleEndian(block[2..]);
        ReadOnlySpan<byte> quants = block.Slice(6, Half);
        values = values[..Size];
        for (int i = 0; i < Half; i++)
        {
            values[i] = ((quants[i] & 15 | Fifth(high, i)) - 16) * d;
            values[i + Half] = ((quants[i] >> 4 | Fifth(high, i + Half)) - 16) * d;
        }
    }

    public static void Q5_1(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = Scale(block), m = Scale(block[2..]);
        uint high = BinaryPrimitives.ReadUInt32LittleEndian(block[4..]);
        ReadOnlySpan<byte> quants = block.Slice(8, Half);
        values = values[..Size];
        for (int i = 0; i < Half; i++)
        {
            values[i] = (quants[i] & 15 | Fifth(high, i)) * d + m;
            values[i + Half] = (quants[i] >> 4 | Fifth(high, i + Half)) * d + m;
        }
    }

    public static void Q8_0(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = Scale(block);
        ReadOnlySpan<byte> quants = block.Slice(2, Size);
        values = values[..Size];
        for (int i = 0; i < Size; i++)
            values[i] = (sbyte)quants[i] * d;
    }

    /// <summary>A number of half precision at the start of <paramref name="bytes"/>.</summary>
    public static float Scale(ReadOnlySpan<byte> bytes) => (float)BinaryPrimitives.ReadHalfLittleEndian(bytes);

    private static int Fifth(uint high, int i) => (int)(high >> i & 1) << 4;
}
