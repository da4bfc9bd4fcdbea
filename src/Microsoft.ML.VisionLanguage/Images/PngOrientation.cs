using System.Buffers.Binary;

namespace Microsoft.ML.VisionLanguage.Images;

/// <summary>The orientation in a PNG's EXIF chunk, which Skia does not read. Whatever is amiss there says nothing.</summary>
internal static class PngOrientation
{
    private const int Signature = 8, ChunkHeader = 8, ChunkCrc = 4, TiffHeader = 8, Entry = 12, OrientationTag = 0x112, ShortType = 3;

    public static PictureOrientation Of(ReadOnlySpan<byte> png)
    {
        for (int at = Signature; at + ChunkHeader <= png.Length;)
        {
            uint length = BinaryPrimitives.ReadUInt32BigEndian(png[at..]);
            ReadOnlySpan<byte> kind = png.Slice(at + sizeof(int), sizeof(int));
            if (length > png.Length - at - ChunkHeader || kind.SequenceEqual("IEND"u8))
                break;
            if (kind.SequenceEqual("eXIf"u8))
                return OfTiff(png.Slice(at + ChunkHeader, (int)length));
            at += ChunkHeader + (int)length + ChunkCrc;
        }
        return PictureOrientation.TopLeft;
    }

    private static PictureOrientation OfTiff(ReadOnlySpan<byte> tiff)
    {
        bool little = tiff.StartsWith("II*\0"u8);
        if (tiff.Length < TiffHeader || !(little || tiff.StartsWith("MM\0*"u8)))
            return PictureOrientation.TopLeft;
        uint directory = Int(tiff[sizeof(int)..], little);
        if (directory > tiff.Length - sizeof(ushort))
            return PictureOrientation.TopLeft;
        ReadOnlySpan<byte> entries = tiff[(int)directory..];
        int count = Math.Min(Short(entries, little), (entries.Length - sizeof(ushort)) / Entry);
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> entry = entries.Slice(sizeof(ushort) + (i * Entry), Entry);
            if (Short(entry, little) == OrientationTag && Short(entry[2..], little) == ShortType)
                return Short(entry[8..], little) is >= 1 and <= 8 and var value ? (PictureOrientation)value : PictureOrientation.TopLeft;
        }
        return PictureOrientation.TopLeft;
    }

    private static ushort Short(ReadOnlySpan<byte> bytes, bool little) =>
        little ? BinaryPrimitives.ReadUInt16LittleEndian(bytes) : BinaryPrimitives.ReadUInt16BigEndian(bytes);

    private static uint Int(ReadOnlySpan<byte> bytes, bool little) =>
        little ? BinaryPrimitives.ReadUInt32LittleEndian(bytes) : BinaryPrimitives.ReadUInt32BigEndian(bytes);
}
