using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;
using System.Text;

namespace Microsoft.ML.VisionLanguage.Tests.Images;

/// <summary>Writes PNG files in forms that Skia's own encoder does not: any bit depth, palettes, colours that are transparent, EXIF data.</summary>
internal sealed class PngFile
{
    public const byte Grey = 0, Rgb = 2, Palette = 3, GreyAlpha = 4, Rgba = 6;

    public required uint Width { get; init; }

    public required uint Height { get; init; }

    public byte Depth { get; init; } = 8;

    public required byte ColourType { get; init; }

    /// <summary>The lines, each without its filter.</summary>
    public required byte[][] Lines { get; init; }

    /// <summary>Chunks between header and pixels.</summary>
    public (string Kind, byte[] Content)[] Chunks { get; init; } = [];

    public byte[] ToBytes()
    {
        using var file = new MemoryStream();
        file.Write([0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A]);
        var header = new byte[13];
        BinaryPrimitives.WriteUInt32BigEndian(header, Width);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(4), Height);
        (header[8], header[9]) = (Depth, ColourType);
        Write(file, "IHDR", header);
        foreach (var (kind, content) in Chunks)
            Write(file, kind, content);
        using var packed = new MemoryStream();
        using (var deflate = new ZLibStream(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            foreach (byte[] line in Lines)
                deflate.Write([0, .. line]);
        }
        Write(file, "IDAT", packed.ToArray());
        Write(file, "IEND", []);
        return file.ToArray();
    }

    private static void Write(MemoryStream file, string kind, byte[] content)
    {
        byte[] all = [.. Encoding.ASCII.GetBytes(kind), .. content];
        var number = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, content.Length);
        file.Write(number);
        file.Write(all);
        BinaryPrimitives.WriteUInt32BigEndian(number, Crc32.HashToUInt32(all));
        file.Write(number);
    }
}
