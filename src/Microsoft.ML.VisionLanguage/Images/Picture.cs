using System.Globalization;
using System.Text;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.Checkpoints;

namespace Microsoft.ML.VisionLanguage.Images;

/// <summary>A decoded picture.</summary>
/// <param name="Width">Pixels of a line.</param>
/// <param name="Height">Lines.</param>
/// <param name="Rgb">Red, green and blue of each pixel, line by line.</param>
internal sealed record Picture(int Width, int Height, byte[] Rgb)
{
    public const int Channels = 3;

    private const int BytesPerPixel = 4, HeaderLines = 3;

    // Netpbm's: pixels as they are, for pictures that came without a file.
    private static ReadOnlySpan<byte> RawMark => "P6\n"u8;

    /// <summary>Reads a picture in any format that Skia reads (JPEG, PNG, GIF, BMP, WebP), or one that <see cref="Encode"/> wrote.</summary>
    /// <exception cref="InvalidDataException">It is none, or damaged.</exception>
    public static Picture Decode(byte[] encoded)
    {
        if (encoded.AsSpan().StartsWith(RawMark))
            return DecodeRaw(encoded);
        try
        {
            using var stream = new MemoryStream(encoded);
            using MLImage image = MLImage.CreateFromStream(stream);
            return Of(image);
        }
        catch (ArgumentException e)
        {
            throw Malformed.File("A picture", "JPEG, PNG, GIF, BMP or WebP", $"{encoded.Length} bytes that begin with {Convert.ToHexString(encoded.AsSpan(0, Math.Min(8, encoded.Length)))}", e);
        }
    }

    /// <summary>The pixels of an image, without its alpha: where it is transparent it is black.</summary>
    public static Picture Of(MLImage image)
    {
        ReadOnlySpan<byte> pixels = image.Pixels;
        bool blueFirst = image.PixelFormat == MLPixelFormat.Bgra32;
        int red = blueFirst ? 2 : 0, blue = blueFirst ? 0 : 2;
        var rgb = new byte[image.Width * image.Height * Channels];
        for (int from = 0, to = 0; to < rgb.Length; from += BytesPerPixel, to += Channels)
            (rgb[to], rgb[to + 1], rgb[to + 2]) = (pixels[from + red], pixels[from + 1], pixels[from + blue]);
        return new Picture(image.Width, image.Height, rgb);
    }

    /// <summary>The picture as bytes that <see cref="Decode"/> reads, nothing lost.</summary>
    public byte[] Encode() => [.. RawMark, .. Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{Width} {Height}\n255\n")), .. Rgb];

    private static Picture DecodeRaw(byte[] encoded)
    {
        int end = 0;
        for (int line = 0; line < HeaderLines; line++)
            end += encoded.AsSpan(end).IndexOf((byte)'\n') + 1;
        string[] size = Encoding.ASCII.GetString(encoded, RawMark.Length, Math.Max(0, end - RawMark.Length)).Split(' ', '\n');
        byte[] rgb = encoded[end..];
        return size.Length > 2 && int.TryParse(size[0], CultureInfo.InvariantCulture, out int width) && int.TryParse(size[1], CultureInfo.InvariantCulture, out int height)
            && (long)width * height * Channels == rgb.Length
            ? new Picture(width, height, rgb)
            : throw Malformed.File("A picture of plain pixels", "width, height and as many bytes", $"{encoded.Length} bytes");
    }
}
