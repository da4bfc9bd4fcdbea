using System.Buffers;

namespace Microsoft.ML.VisionLanguage.Images;

/// <summary>A decoded picture, in memory that it rents: red, green, blue and alpha of each pixel, line by line.</summary>
internal sealed class Picture : IDisposable
{
    public const int Channels = 3, BytesPerPixel = 4;

    // Whoever reads pixels in pairs or by eights may read past the last one.
    private const int Slack = 32;

    private byte[] _rented;

    /// <summary>A picture of any pixels yet.</summary>
    public Picture(int width, int height)
    {
        (Width, Height) = (width, height);
        _rented = ArrayPool<byte>.Shared.Rent(checked((width * height * BytesPerPixel) + Slack));
    }

    /// <summary>Pixels of a line.</summary>
    public int Width { get; }

    /// <summary>Lines.</summary>
    public int Height { get; }

    public int Stride => Width * BytesPerPixel;

    public Span<byte> Pixels => _rented.AsSpan(0, Stride * Height);

    /// <summary>The pixels with some bytes behind them, which hold anything.</summary>
    public Span<byte> PixelsAndSlack => _rented.AsSpan(0, (Stride * Height) + Slack);

    /// <summary>An opaque picture of red, green and blue of each pixel, line by line.</summary>
    public static Picture FromRgb(int width, int height, ReadOnlySpan<byte> rgb)
    {
        var picture = new Picture(width, height);
        Span<byte> pixels = picture.Pixels;
        for (int from = 0, to = 0; from < rgb.Length; from += Channels, to += BytesPerPixel)
            (pixels[to], pixels[to + 1], pixels[to + 2], pixels[to + 3]) = (rgb[from], rgb[from + 1], rgb[from + 2], byte.MaxValue);
        return picture;
    }

    /// <summary>Red, green and blue of each pixel, line by line.</summary>
    public byte[] ToRgb()
    {
        ReadOnlySpan<byte> pixels = Pixels;
        var rgb = new byte[Width * Height * Channels];
        for (int from = 0, to = 0; to < rgb.Length; from += BytesPerPixel, to += Channels)
            (rgb[to], rgb[to + 1], rgb[to + 2]) = (pixels[from], pixels[from + 1], pixels[from + 2]);
        return rgb;
    }

    /// <summary>Lays the picture over white, in place.</summary>
    /// <param name="premultiplied">Whether its colours were multiplied with its alpha.</param>
    public void LayOverWhite(bool premultiplied)
    {
        Span<byte> pixels = Pixels;
        for (int i = 0; i < pixels.Length; i += BytesPerPixel)
        {
            int alpha = pixels[i + Channels];
            if (alpha == byte.MaxValue)
                continue;
            int white = (byte.MaxValue - alpha) * byte.MaxValue;
            for (int channel = i; channel < i + Channels; channel++)
                pixels[channel] = (byte)Math.Min(byte.MaxValue, ((pixels[channel] * (premultiplied ? byte.MaxValue : alpha)) + white + (byte.MaxValue / 2)) / byte.MaxValue);
            pixels[i + Channels] = byte.MaxValue;
        }
    }

    public void Dispose()
    {
        byte[] rented = Interlocked.Exchange(ref _rented, []);
        if (rented.Length > 0)
            ArrayPool<byte>.Shared.Return(rented);
    }
}
