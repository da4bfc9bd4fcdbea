using Microsoft.ML.Peft;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.VisionLanguage.Images;
using SkiaSharp;

namespace Microsoft.ML.VisionLanguage.Tests.Images;

/// <summary>Damaged files are read, or refused by an <see cref="InvalidDataException"/>; nothing else comes out, and memory does not grow.</summary>
[TestClass]
public sealed class PictureFuzzTests
{
    private const int Count = 10_000, Side = 48;

    private const long Growth = 32L << 20;

    private static readonly PictureReader s_reader = new(new PictureOptions { MaxPixels = 1 << 20 });

    [TestMethod]
    public void DamagedFilesAreReadOrRefused()
    {
        byte[][] files = [.. Files()];
        int refused = 0;
        var watch = new MemoryWatch(Growth);
        for (int i = 0; i < Count; i++)
        {
            if (i % (Count / 20) == 0)
                watch.Note();
            var random = new SplitMix64(16, i);
            refused += IsRefused(Damage(files[i % files.Length], random), i) ? 1 : 0;
        }
        Console.WriteLine($"{refused} of {Count} files refused.");
        Assert.IsGreaterThan(Count / 10, refused);
        Assert.IsLessThan(Count, refused);
        watch.CheckFlat();
    }

    [TestMethod]
    public void WholeFilesAreRead()
    {
        foreach (byte[] file in Files())
        {
            using Picture picture = s_reader.Decode(file, "the test");
            Assert.IsGreaterThan(0, picture.Width);
        }
    }

    private static bool IsRefused(byte[] file, int number)
    {
        string source = $"file {number}";
        try
        {
            s_reader.Check(file, source);
            using Picture picture = s_reader.Decode(file, source);
            return false;
        }
        catch (InvalidDataException e)
        {
            Assert.StartsWith(source + ": expected ", e.Message);
            return true;
        }
    }

    // Bytes are changed, cut off, left out or said twice, once or several times.
    private static byte[] Damage(byte[] file, SplitMix64 random)
    {
        List<byte> bytes = [.. file];
        for (int change = random.Next(1, 6); change > 0 && bytes.Count > 0; change--)
        {
            // Headers are hit as often as all the rest.
            int at = random.Next(random.Next(2) == 0 ? Math.Min(bytes.Count, 64) : bytes.Count), length = Math.Min(random.Next(1, 16), bytes.Count - at);
            switch (random.Next(6))
            {
                case 0:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    bytes[at] = (byte)(random.Next(2) * 255);
                    break;
                case 2:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 3:
                    bytes.RemoveRange(at, length);
                    break;
                case 4:
                    bytes.InsertRange(at, bytes.GetRange(at, length));
                    break;
                default:
                    bytes.RemoveRange(bytes.Count - length, length);
                    break;
            }
        }
        return [.. bytes];
    }

    private static IEnumerable<byte[]> Files()
    {
        using var bitmap = new SKBitmap(Side, Side);
        var random = new SplitMix64(1);
        for (int i = 0; i < Side * Side; i++)
            bitmap.SetPixel(i % Side, i / Side, new SKColor((byte)(5 * (i % Side)), (byte)(5 * (i / Side)), (byte)random.Next(256), (byte)(i % 7 == 0 ? 100 : 255)));
        foreach (var (format, quality) in new[] { (SKEncodedImageFormat.Jpeg, 80), (SKEncodedImageFormat.Png, 100), (SKEncodedImageFormat.Webp, 70), (SKEncodedImageFormat.Webp, 100) })
        {
            using SKData data = bitmap.Encode(format, quality);
            yield return data.ToArray();
        }
        yield return JpegFile.WithOrientation(JpegFile.FourInks([200, 100, 50, 128], 0), 6);
        yield return GifFile.Of(8, 3);
        yield return Bmp(24);
        yield return Bmp(32);
        yield return new PngFile { Width = 3, Height = 2, Depth = 16, ColourType = PngFile.Grey, Lines = [new byte[6], new byte[6]], Chunks = [("eXIf", JpegFile.Tiff(3, true))] }.ToBytes();
        yield return new PngFile { Width = 4, Height = 2, ColourType = PngFile.Palette, Lines = [[0, 1, 0, 1], [1, 1, 0, 0]], Chunks = [("PLTE", [1, 2, 3, 4, 5, 6]), ("tRNS", [9])] }.ToBytes();
    }

    // Skia writes none.
    private static byte[] Bmp(short bits)
    {
        int size = Side * Side * bits / 8;
        using var file = new MemoryStream();
        using var writer = new BinaryWriter(file);
        writer.Write("BM"u8);
        foreach (int number in new[] { 54 + size, 0, 54, 40, Side, Side })
            writer.Write(number);
        writer.Write((short)1);
        writer.Write(bits);
        foreach (int number in new[] { 0, size, 2835, 2835, 0, 0 })
            writer.Write(number);
        for (int i = 0; i < size; i++)
            writer.Write((byte)(i * 7));
        return file.ToArray();
    }
}
