using System.IO.Hashing;
using Microsoft.ML.VisionLanguage.Images;

namespace Microsoft.ML.VisionLanguage.Tests.Images;

/// <summary>Beside what Pillow 9.4 makes of the same pictures, as checksums of its bytes.</summary>
[TestClass]
public sealed class ResamplingTests
{
    [TestMethod]
    [DataRow(0, 57, 83, 33, 46, 0xB8F5A725U)]
    [DataRow(0, 20, 33, 48, 79, 0xCAE949B8U)]
    [DataRow(0, 301, 200, 48, 31, 0x8ED0C80EU)]
    [DataRow(0, 5, 3, 2, 2, 0x19CBAF54U)]
    [DataRow(0, 64, 64, 20, 64, 0x528C002EU)]
    [DataRow(0, 7, 9, 7, 30, 0x98E36A30U)]
    [DataRow(0, 400, 3, 37, 3, 0xC07B6C59U)]
    [DataRow(1, 57, 83, 33, 46, 0xBEFE3ACEU)]
    [DataRow(1, 20, 33, 48, 79, 0x810CC102U)]
    [DataRow(1, 301, 200, 48, 31, 0xCAB365C5U)]
    [DataRow(1, 5, 3, 2, 2, 0x1F421976U)]
    [DataRow(1, 64, 64, 20, 64, 0x2F691102U)]
    [DataRow(1, 7, 9, 7, 30, 0x661C1C7DU)]
    [DataRow(1, 400, 3, 37, 3, 0xAF601706U)]
    [DataRow(2, 57, 83, 33, 46, 0x42EC53F2U)]
    [DataRow(2, 20, 33, 48, 79, 0x17C76AD4U)]
    [DataRow(2, 301, 200, 48, 31, 0x69470447U)]
    [DataRow(2, 5, 3, 2, 2, 0x5D2405A3U)]
    [DataRow(2, 64, 64, 20, 64, 0xB5B887E1U)]
    [DataRow(2, 7, 9, 7, 30, 0xC91CA112U)]
    [DataRow(2, 400, 3, 37, 3, 0x25A767A0U)]
    [DataRow(3, 57, 83, 33, 46, 0x58CE006EU)]
    [DataRow(3, 20, 33, 48, 79, 0x07791EB6U)]
    [DataRow(3, 301, 200, 48, 31, 0xF8871636U)]
    [DataRow(3, 5, 3, 2, 2, 0xB3BD8BE7U)]
    [DataRow(3, 64, 64, 20, 64, 0x8AC14D81U)]
    [DataRow(3, 7, 9, 7, 30, 0xEBACAA39U)]
    [DataRow(3, 400, 3, 37, 3, 0xCE6D20E5U)]
    [DataRow(4, 57, 83, 33, 46, 0xC6702D32U)]
    [DataRow(4, 20, 33, 48, 79, 0xCAE949B8U)]
    [DataRow(4, 301, 200, 48, 31, 0x1209A7A9U)]
    [DataRow(4, 5, 3, 2, 2, 0xD14C6332U)]
    [DataRow(4, 64, 64, 20, 64, 0x0C9EDF12U)]
    [DataRow(4, 7, 9, 7, 30, 0x98E36A30U)]
    [DataRow(4, 400, 3, 37, 3, 0x4C7225F7U)]
    [DataRow(5, 57, 83, 33, 46, 0x8E086030U)]
    [DataRow(5, 20, 33, 48, 79, 0x05D9FD82U)]
    [DataRow(5, 301, 200, 48, 31, 0xD98AFC4DU)]
    [DataRow(5, 5, 3, 2, 2, 0xF8AC79FDU)]
    [DataRow(5, 64, 64, 20, 64, 0x2AA7B2F3U)]
    [DataRow(5, 7, 9, 7, 30, 0xE3AF8DDAU)]
    [DataRow(5, 400, 3, 37, 3, 0x98899E91U)]
    public void EachKernelGivesPillowsBits(int kernel, int width, int height, int toWidth, int toHeight, uint checksum) =>
        Assert.AreEqual(checksum, Crc32.HashToUInt32(Resize(width, height, new Region(0, 0, width, height), toWidth, toHeight, new Region(0, 0, toWidth, toHeight), kernel)));

    [TestMethod]
    [DataRow(3, 0x91F50164U)]
    [DataRow(2, 0x760081BBU)]
    public void APartIsResizedAsIfItWereAlone(int kernel, uint checksum) =>
        Assert.AreEqual(checksum, Crc32.HashToUInt32(Resize(57, 83, new Region(5, 7, 45, 53), 32, 32, new Region(0, 0, 32, 32), kernel)));

    [TestMethod]
    [DataRow(57, 83, 33, 46)]
    [DataRow(301, 200, 48, 31)]
    [DataRow(20, 33, 48, 79)]
    [DataRow(40, 400, 36, 31)]
    public void WhatIsCutAwayChangesNothing(int width, int height, int toWidth, int toHeight)
    {
        var (whole, part) = (new Region(0, 0, width, height), new Region(3, 5, 21, 17));
        byte[] all = Resize(width, height, whole, toWidth, toHeight, new Region(0, 0, toWidth, toHeight), 3), cut = Resize(width, height, whole, toWidth, toHeight, part, 3);
        for (int y = 0; y < part.Height; y++)
        {
            CollectionAssert.AreEqual(
                all.AsSpan((((part.Top + y) * toWidth) + part.Left) * Picture.Channels, part.Width * Picture.Channels).ToArray(),
                cut.AsSpan(y * part.Width * Picture.Channels, part.Width * Picture.Channels).ToArray());
        }
    }

    private static byte[] Resize(int width, int height, Region source, int toWidth, int toHeight, Region part, int kernel)
    {
        using var picture = Picture.FromRgb(width, height, [.. Enumerable.Range(0, width * height * Picture.Channels).Select(i => (byte)(((i * i * 7) + (i * 13)) >> 3))]);
        using Picture resized = Resampling.Resize(picture, source, toWidth, toHeight, part, ResamplingKernel.Of(kernel)!);
        return resized.ToRgb();
    }
}
