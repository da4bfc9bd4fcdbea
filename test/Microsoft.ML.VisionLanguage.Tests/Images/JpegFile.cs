using System.Buffers.Binary;
using System.Text;

namespace Microsoft.ML.VisionLanguage.Tests.Images;

/// <summary>Writes JPEG files of one colour in four inks, which Skia's encoder does not, and puts EXIF data into others.</summary>
internal static class JpegFile
{
    private const int BlockSide = 8, Middle = 128;

    /// <summary>A picture of one block in cyan, magenta, yellow and black as printers' programs store them: 255 is no ink.</summary>
    /// <param name="inks">The four, as stored.</param>
    /// <param name="adobeTransform">What Adobe's marker says: 0 for the inks as they are, 2 for the first three as luminance and colour differences; null for no marker.</param>
    public static byte[] FourInks(byte[] inks, byte? adobeTransform)
    {
        using var file = new MemoryStream();
        file.Write([0xFF, 0xD8]);
        if (adobeTransform is { } transform)
            Segment(file, 0xEE, [.. "Adobe"u8, 0, 100, 0, 0, 0, 0, transform]);
        Segment(file, 0xDB, [0, .. Enumerable.Repeat((byte)1, BlockSide * BlockSide)]);
        Segment(file, 0xC0, [8, 0, BlockSide, 0, BlockSide, 4, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0, 4, 0x11, 0]);
        // Each of the twelve sizes of a difference has a code of four bits, and a block ends with one of one bit.
        Segment(file, 0xC4, [0x00, 0, 0, 0, 12, .. new byte[12], .. Enumerable.Range(0, 12).Select(size => (byte)size)]);
        Segment(file, 0xC4, [0x10, 1, .. new byte[15], 0]);
        Segment(file, 0xDA, [4, 1, 0x00, 2, 0x00, 3, 0x00, 4, 0x00, 0, 63, 0]);
        var bits = new StringBuilder();
        foreach (byte ink in inks)
            bits.Append(Block((ink - Middle) * BlockSide));
        file.Write(Packed(bits.ToString()));
        file.Write([0xFF, 0xD9]);
        return file.ToArray();
    }

    /// <summary>The file with an orientation in EXIF data behind its first marker.</summary>
    public static byte[] WithOrientation(byte[] jpeg, ushort orientation, bool littleEndian = false)
    {
        byte[] content = [.. "Exif\0\0"u8, .. Tiff(orientation, littleEndian)];
        var length = new byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(length, (ushort)(content.Length + 2));
        return [.. jpeg[..2], 0xFF, 0xE1, .. length, .. content, .. jpeg[2..]];
    }

    /// <summary>EXIF data that hold an orientation alone.</summary>
    public static byte[] Tiff(ushort orientation, bool littleEndian) => littleEndian
        ? [.. "II*\0"u8, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, (byte)orientation, 0, 0, 0, 0, 0, 0, 0]
        : [.. "MM\0*"u8, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, (byte)orientation, 0, 0, 0, 0, 0, 0];

    private static void Segment(MemoryStream file, byte marker, byte[] content) =>
        file.Write([0xFF, marker, (byte)((content.Length + 2) >> 8), (byte)(content.Length + 2), .. content]);

    // The one coefficient of a block in one colour, and the block's end.
    private static string Block(int coefficient)
    {
        int size = 0;
        while (Math.Abs(coefficient) >> size > 0)
            size++;
        string value = size == 0 ? "" : Convert.ToString(coefficient > 0 ? coefficient : coefficient + (1 << size) - 1, 2).PadLeft(size, '0');
        return Convert.ToString(size, 2).PadLeft(4, '0') + value + "0";
    }

    private static byte[] Packed(string bits) => [.. bits.PadRight((bits.Length + 7) / 8 * 8, '1').Chunk(8)
        .Select(eight => Convert.ToByte(new string(eight), 2)).SelectMany(value => value == 0xFF ? new byte[] { 0xFF, 0 } : [value])];
}
