namespace Microsoft.ML.Peft.Checkpoints.Gguf;

/// <summary>
/// GGML's "K" blocks of 256 elements: groups of 16 or 32 have scales (and minima) of a few bits, which are themselves scaled by
/// numbers of half precision. Operations are in GGML's order, so that values agree to the bit.
/// </summary>
internal static class SuperBlocks
{
    /// <summary>16 bytes of scale and minimum, 64 of quants, scale of scales, scale of minima.</summary>
    public static void Q2_K(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = SmallBlocks.Scale(block[80..]), dMin = SmallBlocks.Scale(block[82..]);
        for (int group = 0; group < 16; group++)
        {
            float scale = d * (block[group] & 15), min = dMin * (block[group] >> 4);
            ReadOnlySpan<byte> quants = Twos(block[16..], group, out int shift);
            Span<float> target = values.Slice(group * 16, 16);
            for (int i = 0; i < target.Length; i++)
                target[i] = scale * (quants[i] >> shift & 3) - min;
        }
    }

    /// <summary>32 bytes of third bits, 64 of the other two, 12 of scales, scale of scales.</summary>
    public static void Q3_K(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = SmallBlocks.Scale(block[108..]);
        for (int group = 0; group < 16; group++)
        {
            float scale = d * (SixBits(block.Slice(96, 12), group) - 32);
            ReadOnlySpan<byte> quants = Twos(block[32..], group, out int shift), thirds = block.Slice(group % 2 * 16, 16);
            Span<float> target = values.Slice(group * 16, 16);
            // Where the third bit is not set, 4 is taken away.
            for (int i = 0; i < target.Length; i++)
                target[i] = scale * ((quants[i] >> shift & 3) - (~(thirds[i] >> group / 2) & 1) * 4);
        }
    }

    /// <summary>Scale of scales, scale of minima, 12 bytes of both, 128 of quants.</summary>
    public static void Q4_K(ReadOnlySpan<byte> block, Span<float> values)
    {
        for (int group = 0; group < 8; group++)
        {
            (float scale, float min) = ScaleAndMin(block, group);
            ReadOnlySpan<byte> quants = block.Slice(16 + group / 2 * 32, 32);
            int shift = group % 2 * 4;
            Span<float> target = values.Slice(group * 32, 32);
            for (int i = 0; i < target.Length; i++)
                target[i] = scale * (quants[i] >> shift & 15) - min;
        }
    }

    /// <summary>As <see cref="Q4_K"/>, with 32 bytes of fifth bits before the quants.</summary>
    public static void Q5_K(ReadOnlySpan<byte> block, Span<float> values)
    {
        for (int group = 0; group < 8; group++)
        {
            (float scale, float min) = ScaleAndMin(block, group);
            ReadOnlySpan<byte> fifths = block.Slice(16, 32), quants = block.Slice(48 + group / 2 * 32, 32);
            int shift = group % 2 * 4;
            Span<float> target = values.Slice(group * 32, 32);
            for (int i = 0; i < target.Length; i++)
                target[i] = scale * ((quants[i] >> shift & 15) + (fifths[i] >> group & 1) * 16) - min;
        }
    }

    /// <summary>128 bytes of low bits, 64 of the two high ones, 16 of signed scales, scale of scales.</summary>
    public static void Q6_K(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = SmallBlocks.Scale(block[208..]);
        for (int group = 0; group < 16; group++)
        {
            // Half the block at a time: rows of 32, of which the first two share bytes with the last two.
            int half = group / 8, row = group / 2 % 4, column = group % 2 * 16;
            float scale = d * (sbyte)block[192 + group];
            ReadOnlySpan<byte> low = block.Slice(half * 64 + row % 2 * 32 + column, 16), high = block.Slice(128 + half * 32 + column, 16);
            int lowShift = row / 2 * 4, highShift = row * 2;
            Span<float> target = values.Slice(group * 16, 16);
            for (int i = 0; i < target.Length; i++)
                target[i] = scale * ((low[i] >> lowShift & 15 | (high[i] >> highShift & 3) << 4) - 32);
        }
    }

    // 32 bytes hold eight groups of 16 quants: two side by side, four one above the other.
    private static ReadOnlySpan<byte> Twos(ReadOnlySpan<byte> quants, int group, out int shift)
    {
        shift = group / 2 % 4 * 2;
        return quants.Slice(group / 8 * 32 + group % 2 * 16, 16);
    }

    // Sixteen numbers: four low bits each in the first 8 bytes, two high bits each in the last 4.
    private static int SixBits(ReadOnlySpan<byte> packed, int index) =>
        (packed[index % 8] >> index / 8 * 4 & 15) | (packed[8 + index % 4] >> index / 4 * 2 & 3) << 4;

    // Eight scales and eight minima of 6 bits: the first four of each whole, the last four in the bits that these leave and 4 bytes more.
    private static (float Scale, float Min) ScaleAndMin(ReadOnlySpan<byte> block, int group)
    {
        ReadOnlySpan<byte> packed = block.Slice(4, 12);
        (int scale, int min) = group < 4
            ? (packed[group] & 63, packed[group + 4] & 63)
            : (packed[group + 4] & 15 | packed[group - 4] >> 6 << 4, packed[group + 4] >> 4 | packed[group] >> 6 << 4);
        return (SmallBlocks.Scale(block) * scale, SmallBlocks.Scale(block[2..]) * min);
    }
}
