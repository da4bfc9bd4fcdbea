using System.IO.Hashing;
using Microsoft.ML.Peft;
using Microsoft.ML.VisionLanguage.Images;

namespace Microsoft.ML.VisionLanguage.Tests.Images;

[TestClass]
public sealed class PictureDrawTests
{
    /// <summary>Beside what Pillow 9.4's ImageEnhance makes of the same picture, as checksums of its bytes.</summary>
    [TestMethod]
    [DataRow(nameof(ColourChange.Brighten), 0.4f, 0x02EFFE77U)]
    [DataRow(nameof(ColourChange.Brighten), 1.3f, 0x9932AC06U)]
    [DataRow(nameof(ColourChange.Brighten), 1.9f, 0xE6B660ECU)]
    [DataRow(nameof(ColourChange.Contrast), 0.4f, 0xEB5BCC58U)]
    [DataRow(nameof(ColourChange.Contrast), 1.3f, 0xCB0E8836U)]
    [DataRow(nameof(ColourChange.Contrast), 1.9f, 0xD00662FFU)]
    [DataRow(nameof(ColourChange.Saturate), 0.4f, 0x55472217U)]
    [DataRow(nameof(ColourChange.Saturate), 1.3f, 0x50104998U)]
    [DataRow(nameof(ColourChange.Saturate), 1.9f, 0x58F34336U)]
    public void ColoursChangeToPillowsBits(string change, float factor, uint checksum)
    {
        using Picture picture = Some(31, 17);
        switch (change)
        {
            case nameof(ColourChange.Brighten):
                ColourChange.Brighten(picture, factor);
                break;
            case nameof(ColourChange.Contrast):
                ColourChange.Contrast(picture, factor);
                break;
            default:
                ColourChange.Saturate(picture, factor);
                break;
        }
        Assert.AreEqual(checksum, Crc32.HashToUInt32(picture.ToRgb()));
    }

    [TestMethod]
    public void NothingIsChangedUnlessAsked()
    {
        PictureDraw draw = PictureDraw.Of(new PictureAugmentation(), new SplitMix64(1));
        using Picture picture = Some(9, 5);
        Assert.IsNull(draw.RegionOf(picture));
        byte[] before = picture.ToRgb();
        draw.Apply(picture);
        CollectionAssert.AreEqual(before, picture.ToRgb());
    }

    [TestMethod]
    public void LeftAndRightChangePlaces()
    {
        using var picture = Picture.FromRgb(3, 2, [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6]);
        PictureDraw.Of(new PictureAugmentation { FlipProbability = 1 }, new SplitMix64(1)).Apply(picture);
        CollectionAssert.AreEqual(new byte[] { 3, 3, 3, 2, 2, 2, 1, 1, 1, 6, 6, 6, 5, 5, 5, 4, 4, 4 }, picture.ToRgb());
    }

    [TestMethod]
    [DataRow(200, 150)]
    [DataRow(40, 300)]
    [DataRow(1, 1)]
    public void RegionsLieInThePictureAndAreDrawnEvenly(int width, int height)
    {
        var options = new PictureAugmentation { MinCropArea = 0.2, FlipProbability = 0.25 };
        using var picture = new Picture(width, height);
        double area = 0;
        int flips = 0;
        const int Draws = 2000;
        for (int i = 0; i < Draws; i++)
        {
            PictureDraw draw = PictureDraw.Of(options, new SplitMix64(3, i));
            Assert.AreEqual(draw, PictureDraw.From(draw.ToValues()));
            Region region = draw.RegionOf(picture)!.Value;
            Assert.IsTrue(region.Left >= 0 && region.Top >= 0 && region.Width > 0 && region.Height > 0 && region.Left + region.Width <= width && region.Top + region.Height <= height, region.ToString());
            area += (double)region.Width * region.Height / (width * height) / Draws;
            flips += draw.Flips ? 1 : 0;
        }
        Assert.AreEqual(0.25, (double)flips / Draws, 0.04);
        if (width == 200)
            Assert.AreEqual(0.6, area, 0.05);
    }

    [TestMethod]
    public void OptionsOutOfRangeAreRefused()
    {
        foreach (PictureAugmentation options in new PictureAugmentation[]
        {
            new() { MinCropArea = 0 }, new() { MinCropArea = 1.1 }, new() { MaxAspectRatio = 0.5 }, new() { FlipProbability = double.NaN }, new() { Brightness = -1 },
            new() { Contrast = 2 }, new() { Saturation = 1.5 },
        })
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new PictureOptions { Augmentation = options }.Validate());
    }

    private static Picture Some(int width, int height) =>
        Picture.FromRgb(width, height, [.. Enumerable.Range(0, width * height * Picture.Channels).Select(i => (byte)(((i * i * 7) + (i * 13)) >> 3))]);
}
