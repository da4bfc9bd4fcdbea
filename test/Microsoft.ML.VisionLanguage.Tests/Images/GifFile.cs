namespace Microsoft.ML.VisionLanguage.Tests.Images;

/// <summary>Writes GIF files of two colours, one picture or several.</summary>
internal static class GifFile
{
    private static readonly byte[][] s_colours = [[200, 10, 20], [30, 180, 40]];

    /// <summary>The first of the two colours, as red, green and blue.</summary>
    public static byte[] First => s_colours[0];

    /// <summary>Pictures of one colour each, the first and the second in turns.</summary>
    /// <param name="side">Pixels of a side, 12 at most.</param>
    /// <param name="pictures">How many.</param>
    public static byte[] Of(byte side, int pictures)
    {
        List<byte> file = [.. "GIF89a"u8, side, 0, side, 0, 0x80, 0, 0, .. s_colours[0], .. s_colours[1]];
        for (int i = 0; i < pictures; i++)
            file.AddRange([0x21, 0xF9, 4, 0, 10, 0, 0, 0, 0x2C, 0, 0, 0, 0, side, 0, side, 0, 0, .. Pixels(side * side, i % 2), 0]);
        return [.. file, 0x3B];
    }

    // Codes of three bits, the table cleared before each pixel, so that it never grows: 4 clears, 5 ends.
    private static byte[] Pixels(int count, int colour)
    {
        string bits = string.Concat(Enumerable.Repeat(new[] { 4, colour }, count).SelectMany(codes => codes).Append(5).Reverse().Select(code => Convert.ToString(code, 2).PadLeft(3, '0')));
        bits = bits.PadLeft((bits.Length + 7) / 8 * 8, '0');
        byte[] packed = [.. bits.Chunk(8).Select(eight => Convert.ToByte(new string(eight), 2)).Reverse()];
        return [2, (byte)packed.Length, .. packed];
    }
}
