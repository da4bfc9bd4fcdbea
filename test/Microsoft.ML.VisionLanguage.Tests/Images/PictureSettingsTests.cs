using System.Text;
using Microsoft.ML.VisionLanguage.Images;

namespace Microsoft.ML.VisionLanguage.Tests.Images;

[TestClass]
public sealed class PictureSettingsTests
{
    private const string Channels = """
        "image_mean": [0, 0, 0], "image_std": [1, 1, 1]
        """;

    [TestMethod]
    public void TheMiddleIsCutOutOfTheShorterSide()
    {
        PictureSettings settings = Parse($$"""{"size": {"shortest_edge": 2}, "crop_size": 2, {{Channels}}}""");
        // Four columns: the outer ones are cut off.
        using var picture = Picture.FromRgb(4, 2, [.. Enumerable.Range(0, 8).SelectMany(i => new byte[] { (byte)(10 * (i % 4)), 0, 255 })]);
        var pixels = new float[settings.Count];
        settings.Write(picture, null, pixels);
        CollectionAssert.AreEqual(new[] { 10f / 255, 20f / 255, 10f / 255, 20f / 255 }, pixels[..4]);
        CollectionAssert.AreEqual(new float[] { 0, 0, 0, 0, 1, 1, 1, 1 }, pixels[4..]);
    }

    [TestMethod]
    [DataRow("""{"size": 8, "crop_size": 6, $}""", 8, 6)]
    [DataRow("""{"size": 8, $}""", null, 8)]
    [DataRow("""{"size": {"height": 8, "width": 8}, "do_center_crop": false, "crop_size": 6, $}""", null, 8)]
    public void SizesAreReadInEachForm(string json, int? edge, int side)
    {
        PictureSettings settings = Parse(json.Replace("$", Channels, StringComparison.Ordinal));
        Assert.AreEqual((edge, side, side), (settings.ShortestEdge, settings.Height, settings.Width));
    }

    [TestMethod]
    [DataRow("""{"size": 8, "resample": 6, $}""", "3 (bicubic), 4 (box), 5 (hamming) under 'resample', found 6")]
    [DataRow("""{"size": 8, "do_resize": false, $}""", "'do_resize'")]
    [DataRow("""{"size": {"shortest_edge": 4}, "crop_size": 6, $}""", "no larger than itself")]
    [DataRow("""{"size": 0, $}""", "a pixel at least")]
    [DataRow("""{"size": 8}""", "image_mean")]
    [DataRow("""{$}""", "'size'")]
    public void WhatIsNotKnownIsRefused(string json, string expected) => Assert.Contains(
        expected, Assert.ThrowsExactly<InvalidDataException>(() => Parse(json.Replace("$", Channels, StringComparison.Ordinal))).Message);

    private static PictureSettings Parse(string json) => PictureSettings.Parse(Encoding.UTF8.GetBytes(json), "the test");
}
