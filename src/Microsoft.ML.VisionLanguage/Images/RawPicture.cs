using System.Globalization;
using System.Text;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.Checkpoints;

namespace Microsoft.ML.VisionLanguage.Images;

/// <summary>Netpbm's plain pixels (P6), for pictures that came without a file: an <see cref="MLImage"/> is decoded already.</summary>
internal static class RawPicture
{
    private const int HeaderLines = 3;

    private static ReadOnlySpan<byte> Mark => "P6\n"u8;

    public static bool Is(ReadOnlySpan<byte> bytes) => bytes.StartsWith(Mark);

    /// <summary>The pixels of an image, whose colours count as multiplied with its alpha, as ML.NET loads them.</summary>
    /// <param name="image">The image.</param>
    /// <param name="dropAlpha">Whether alpha is left out; else the image is laid over white.</param>
    public static byte[] Encode(MLImage image, bool dropAlpha)
    {
        using var picture = new Picture(image.Width, image.Height);
        image.Pixels.CopyTo(picture.Pixels);
        if (image.PixelFormat == MLPixelFormat.Bgra32)
            SwapRedAndBlue(picture.Pixels);
        if (!dropAlpha)
            picture.LayOverWhite(premultiplied: true);
        return Encode(picture);
    }

    /// <summary>The picture as bytes, nothing lost but its alpha.</summary>
    public static byte[] Encode(Picture picture) =>
        [.. Mark, .. Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{picture.Width} {picture.Height}\n255\n")), .. picture.ToRgb()];

    /// <summary>Width, height, and where the pixels begin.</summary>
    /// <exception cref="InvalidDataException">The header is malformed, or there are other than as many bytes as it says.</exception>
    public static (int Width, int Height, int Start) ReadHeader(ReadOnlySpan<byte> bytes, string source)
    {
        int end = 0;
        for (int line = 0; line < HeaderLines; line++)
            end += bytes[end..].IndexOf((byte)'\n') + 1;
        string[] size = Encoding.ASCII.GetString(bytes[Mark.Length..Math.Max(Mark.Length, end)]).Split(' ', '\n');
        return size.Length > 2 && int.TryParse(size[0], NumberStyles.None, CultureInfo.InvariantCulture, out int width)
            && int.TryParse(size[1], NumberStyles.None, CultureInfo.InvariantCulture, out int height)
            && (bytes.Length - end) % Picture.Channels == 0 && Math.BigMul(width, height) == (bytes.Length - end) / Picture.Channels && width > 0
            ? (width, height, end)
            : throw Malformed.File(source, "plain pixels behind their width and height", $"{bytes.Length} bytes");
    }

    public static Picture Decode(ReadOnlySpan<byte> bytes, string source)
    {
        var (width, height, start) = ReadHeader(bytes, source);
        return Picture.FromRgb(width, height, bytes[start..]);
    }

    private static void SwapRedAndBlue(Span<byte> pixels)
    {
        for (int i = 0; i < pixels.Length; i += Picture.BytesPerPixel)
            (pixels[i], pixels[i + 2]) = (pixels[i + 2], pixels[i]);
    }
}
