using System.Text;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.VisionLanguage.Images;
using SkiaSharp;

namespace Microsoft.ML.VisionLanguage.Tests.Images;

[TestClass]
public sealed class PictureTests
{
    private static readonly PictureReader s_reader = new(new PictureOptions()), s_dropping = new(new PictureOptions { DropAlpha = true });

    private static (byte, byte, byte) Colour(int x, int y) => ((byte)(10 * x), (byte)(20 * y), (byte)(x + y));

    [TestMethod]
    public void AFileIsDecodedAsRedGreenBlue()
    {
        using Picture picture = Decode(PictureRow.Png(5, 3, Colour));
        Assert.AreEqual((5, 3), (picture.Width, picture.Height));
        CollectionAssert.AreEqual(Enumerable.Range(0, 15).SelectMany(i => new byte[] { (byte)(10 * (i % 5)), (byte)(20 * (i / 5)), (byte)((i % 5) + (i / 5)) }).ToArray(), picture.ToRgb());
    }

    [TestMethod]
    public void AnImageKeepsItsPixelsWhileItWaits()
    {
        using MLImage image = PictureRow.Draw(7, 4, Colour);
        using Picture stored = Decode(RawPicture.Encode(image, dropAlpha: false));
        Assert.AreEqual((7, 4), (stored.Width, stored.Height));
        CollectionAssert.AreEqual(Rgb(PictureRow.Png(7, 4, Colour)), stored.ToRgb());
    }

    [TestMethod]
    [DataRow(PngFile.Grey, (byte)1, new byte[] { 0b1010_0000 }, new byte[] { 255, 255, 255, 0, 0, 0, 255, 255, 255 })]
    [DataRow(PngFile.Grey, (byte)4, new byte[] { 0x0F, 0x80 }, new byte[] { 0, 0, 0, 255, 255, 255, 136, 136, 136 })]
    [DataRow(PngFile.Grey, (byte)8, new byte[] { 0, 77, 255 }, new byte[] { 0, 0, 0, 77, 77, 77, 255, 255, 255 })]
    [DataRow(PngFile.Grey, (byte)16, new byte[] { 0, 200, 77, 77, 255, 0 }, new byte[] { 0, 0, 0, 77, 77, 77, 255, 255, 255 })]
    [DataRow(PngFile.Rgb, (byte)16, new byte[] { 1, 0, 2, 0, 3, 0, 200, 200, 100, 100, 50, 50, 255, 255, 0, 0, 128, 0 }, new byte[] { 1, 2, 3, 200, 100, 50, 255, 0, 128 })]
    [DataRow(PngFile.Palette, (byte)8, new byte[] { 1, 0, 1 }, new byte[] { 40, 50, 60, 10, 20, 30, 40, 50, 60 })]
    [DataRow(PngFile.Palette, (byte)2, new byte[] { 0b01_00_01_00 }, new byte[] { 40, 50, 60, 10, 20, 30, 40, 50, 60 })]
    public void EachFormOfPngGivesItsColours(byte type, byte depth, byte[] line, byte[] rgb)
    {
        byte[] png = new PngFile { Width = 3, Height = 1, Depth = depth, ColourType = type, Lines = [line], Chunks = type == PngFile.Palette ? [("PLTE", [10, 20, 30, 40, 50, 60])] : [] }.ToBytes();
        CollectionAssert.AreEqual(rgb, Rgb(png));
    }

    [TestMethod]
    public void WhatIsTransparentLiesOverWhiteOrLosesItsAlpha()
    {
        byte[] rgba = new PngFile { Width = 3, Height = 1, ColourType = PngFile.Rgba, Lines = [[10, 20, 30, 0, 100, 200, 0, 51, 9, 8, 7, 255]] }.ToBytes();
        CollectionAssert.AreEqual(new byte[] { 255, 255, 255, 224, 244, 204, 9, 8, 7 }, Rgb(rgba));
        CollectionAssert.AreEqual(new byte[] { 10, 20, 30, 100, 200, 0, 9, 8, 7 }, Rgb(rgba, s_dropping));
        byte[] palette = new PngFile
        {
            Width = 2, Height = 1, ColourType = PngFile.Palette, Lines = [[0, 1]], Chunks = [("PLTE", [10, 20, 30, 40, 50, 60]), ("tRNS", [0])],
        }.ToBytes();
        CollectionAssert.AreEqual(new byte[] { 255, 255, 255, 40, 50, 60 }, Rgb(palette));
        CollectionAssert.AreEqual(new byte[] { 10, 20, 30, 40, 50, 60 }, Rgb(palette, s_dropping));
        byte[] grey = new PngFile { Width = 2, Height = 1, ColourType = PngFile.GreyAlpha, Lines = [[100, 0, 100, 255]] }.ToBytes();
        CollectionAssert.AreEqual(new byte[] { 255, 255, 255, 100, 100, 100 }, Rgb(grey));
    }

    [TestMethod]
    public void AnImagesAlphaLiesOverWhite()
    {
        // Colours as ML.NET loads them: multiplied with their alpha.
        using MLImage image = MLImage.CreateFromPixels(2, 1, MLPixelFormat.Bgra32, [0, 40, 20, 51, 7, 8, 9, 255]);
        CollectionAssert.AreEqual(new byte[] { 224, 244, 204, 9, 8, 7 }, Rgb(RawPicture.Encode(image, dropAlpha: false)));
        CollectionAssert.AreEqual(new byte[] { 20, 40, 0, 9, 8, 7 }, Rgb(RawPicture.Encode(image, dropAlpha: true)));
    }

    [TestMethod]
    public void AnImageOfAGreyFileIsRead()
    {
        byte[] grey = new PngFile { Width = 3, Height = 1, ColourType = PngFile.Grey, Lines = [[0, 77, 255]] }.ToBytes();
        using MLImage image = MLImage.CreateFromStream(new MemoryStream(grey));
        CollectionAssert.AreEqual(new byte[] { 0, 0, 0, 77, 77, 77, 255, 255, 255 }, Rgb(RawPicture.Encode(image, dropAlpha: false)));
    }

    [TestMethod]
    [DataRow(null)]
    [DataRow((byte)0)]
    public void FourInksBecomeColours(byte? transform)
    {
        // Stored as printers' programs do: what light is left by each ink.
        byte[] rgb = Rgb(JpegFile.FourInks([200, 100, 50, 128], transform))[..3];
        AssertNear([100, 50, 25], rgb);
        AssertNear([255, 255, 255], Rgb(JpegFile.FourInks([255, 255, 255, 255], transform))[..3]);
        AssertNear([0, 0, 0], Rgb(JpegFile.FourInks([255, 255, 255, 0], transform))[..3]);
    }

    [TestMethod]
    public void FourInksAsLuminanceAndDifferencesBecomeColours() =>
        // No difference in colour: three inks alike, which the transform turns about.
        AssertNear([60, 60, 60], Rgb(JpegFile.FourInks([255 - 120, 128, 128, 128], adobeTransform: 2))[..3]);

    [TestMethod]
    [DataRow((ushort)1, "abcdef", 3)]
    [DataRow((ushort)2, "cbafed", 3)]
    [DataRow((ushort)3, "fedcba", 3)]
    [DataRow((ushort)4, "defabc", 3)]
    [DataRow((ushort)5, "adbecf", 2)]
    [DataRow((ushort)6, "daebfc", 2)]
    [DataRow((ushort)7, "fcebda", 2)]
    [DataRow((ushort)8, "cfbead", 2)]
    [DataRow((ushort)9, "abcdef", 3)]
    public void PicturesAreTurnedUpright(ushort orientation, string expected, int width)
    {
        // Six fields of grey in two lines; big enough that JPEG keeps them.
        const int Side = 16;
        byte[] file = Encode(3 * Side, 2 * Side, (x, y) => (byte)(40 * ((x / Side) + (3 * (y / Side)))), SKEncodedImageFormat.Jpeg);
        Assert.AreEqual(expected, Fields(JpegFile.WithOrientation(file, orientation)));
        Assert.AreEqual(expected, Fields(JpegFile.WithOrientation(file, orientation, littleEndian: true)));
        foreach (bool little in new[] { false, true })
        {
            byte[] png = new PngFile
            {
                Width = 3, Height = 2, ColourType = PngFile.Grey, Lines = [[0, 40, 80], [120, 160, 200]], Chunks = [("eXIf", JpegFile.Tiff(orientation, little))],
            }.ToBytes();
            Assert.AreEqual(expected, string.Concat(Rgb(png).Where((_, i) => i % 3 == 0).Select(grey => (char)('a' + (grey / 40)))));
        }

        string Fields(byte[] jpeg)
        {
            using Picture picture = Decode(jpeg);
            Assert.AreEqual(width * Side, picture.Width);
            byte[] rgb = picture.ToRgb();
            return string.Concat(Enumerable.Range(0, 6).Select(i => (char)('a' + ((rgb[3 * ((((i / width * Side) + (Side / 2)) * picture.Width) + (i % width * Side) + (Side / 2))] + 20) / 40))));
        }
    }

    [TestMethod]
    public void OfSeveralPicturesTheFirstIsRead()
    {
        byte[] several = GifFile.Of(8, 3);
        Assert.IsTrue(s_reader.Check(several, "the test"));
        Assert.IsFalse(s_reader.Check(GifFile.Of(8, 1), "the test"));
        CollectionAssert.AreEqual(GifFile.First, Rgb(several)[..3]);
    }

    [TestMethod]
    [DataRow(SKEncodedImageFormat.Webp)]
    [DataRow(SKEncodedImageFormat.Jpeg)]
    [DataRow(SKEncodedImageFormat.Png)]
    public void AFileThatEndsEarlyIsRefused(SKEncodedImageFormat format)
    {
        byte[] file = Encode(64, 64, (x, y) => (byte)(x * y), format);
        foreach (double share in new[] { 0.02, 0.3, 0.6, 0.95 })
        {
            string message = Assert.ThrowsExactly<InvalidDataException>(() => Decode(file[..(int)(file.Length * share)])).Message;
            Assert.StartsWith("the test: expected a picture", message);
        }
    }

    [TestMethod]
    [DataRow("no picture at all", "17 bytes that begin with 6E6F207069637475")]
    [DataRow("", "no bytes")]
    [DataRow("P6\n3 2\n255\nshort", "plain pixels")]
    [DataRow("P6\n2147483647 2147483647\n255\n", "plain pixels")]
    [DataRow("P6\n", "plain pixels")]
    [DataRow("BM", "header is damaged")]
    [DataRow("II*\0 a raw photograph", "JPEG, PNG, GIF, BMP or WebP")]
    public void WhatIsNoPictureIsRefused(string content, string expected) =>
        Assert.Contains(expected, Assert.ThrowsExactly<InvalidDataException>(() => Decode(Encoding.ASCII.GetBytes(content))).Message);

    [TestMethod]
    public void ALargeClaimIsRefusedBeforeMemoryIsTaken()
    {
        byte[] png = new PngFile { Width = 60_000, Height = 60_000, ColourType = PngFile.Rgba, Lines = [[0]] }.ToBytes();
        long before = GC.GetTotalAllocatedBytes(precise: true);
        string message = Assert.ThrowsExactly<InvalidDataException>(() => Decode(png)).Message;
        Assert.Contains("60000 by 60000", message);
        Assert.Contains("MaxPixels", message);
        Assert.IsLessThan(1 << 20, GC.GetTotalAllocatedBytes(precise: true) - before);
        var small = new PictureReader(new PictureOptions { MaxPixels = 14 });
        Assert.Contains("one of 5 by 3", Assert.ThrowsExactly<InvalidDataException>(() => small.Check(PictureRow.Png(5, 3, Colour), "the test")).Message);
        using MLImage image = PictureRow.Draw(5, 3, Colour);
        Assert.Contains("one of 5 by 3", Assert.ThrowsExactly<InvalidDataException>(() => small.Check(RawPicture.Encode(image, false), "the test")).Message);
    }

    [TestMethod]
    public void OptionsOutOfRangeAreRefused()
    {
        Assert.Contains("MaxPixels", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new PictureOptions { MaxPixels = 0 }.Validate()).Message);
        Assert.Contains("AllowedFolder", Assert.Throws<ArgumentException>(() => new PictureOptions { AllowedFolder = " " }.Validate()).Message);
    }

    private static Picture Decode(byte[] file) => s_reader.Decode(file, "the test");

    private static byte[] Rgb(byte[] file, PictureReader? reader = null)
    {
        using Picture picture = (reader ?? s_reader).Decode(file, "the test");
        return picture.ToRgb();
    }

    private static byte[] Encode(int width, int height, Func<int, int, byte> grey, SKEncodedImageFormat format)
    {
        using var bitmap = new SKBitmap(width, height);
        for (int i = 0; i < width * height; i++)
            bitmap.SetPixel(i % width, i / width, new SKColor(grey(i % width, i / width), grey(i % width, i / width), grey(i % width, i / width)));
        using SKData data = bitmap.Encode(format, 90);
        return data.ToArray();
    }

    private static void AssertNear(byte[] expected, byte[] found)
    {
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], found[i], 2, string.Join(' ', found));
    }
}
