using Microsoft.ML.Data;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.VisionLanguage.Images;

namespace Microsoft.ML.VisionLanguage.Tests.Images;

[TestClass]
public sealed class PictureTests
{
    private static (byte, byte, byte) Colour(int x, int y) => ((byte)(10 * x), (byte)(20 * y), (byte)(x + y));

    [TestMethod]
    public void AFileIsDecodedAsRedGreenBlue()
    {
        Picture picture = Picture.Decode(PictureRow.Png(5, 3, Colour));
        Assert.AreEqual((5, 3), (picture.Width, picture.Height));
        CollectionAssert.AreEqual(Enumerable.Range(0, 15).SelectMany(i => new byte[] { (byte)(10 * (i % 5)), (byte)(20 * (i / 5)), (byte)((i % 5) + (i / 5)) }).ToArray(), picture.Rgb);
    }

    [TestMethod]
    public void AnImageKeepsItsPixelsWhileItWaits()
    {
        using MLImage image = PictureRow.Draw(7, 4, Colour);
        Picture direct = Picture.Of(image), stored = Picture.Decode(direct.Encode());
        Assert.AreEqual((7, 4), (stored.Width, stored.Height));
        CollectionAssert.AreEqual(Picture.Decode(PictureRow.Png(7, 4, Colour)).Rgb, stored.Rgb);
    }

    [TestMethod]
    [DataRow("no picture at all")]
    [DataRow("P6\n3 2\n255\nshort")]
    [DataRow("P6\n")]
    public void WhatIsNoPictureIsRefused(string content) =>
        Assert.ThrowsExactly<InvalidDataException>(() => Picture.Decode(System.Text.Encoding.ASCII.GetBytes(content)));

    [TestMethod]
    public void ADamagedFileIsRefused()
    {
        byte[] file = PictureRow.Png(30, 30, Colour);
        Assert.ThrowsExactly<InvalidDataException>(() => Picture.Decode(file[..20]));
    }
}
