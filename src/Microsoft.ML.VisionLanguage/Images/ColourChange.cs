using System.Runtime.InteropServices;

namespace Microsoft.ML.VisionLanguage.Images;

/// <summary>Changes of a whole picture in place, with the bits of PIL's <c>ImageEnhance</c>, which torchvision's jitter calls. A factor of 1 changes nothing.</summary>
internal static class ColourChange
{
    /// <summary>Left and right change places.</summary>
    public static void Mirror(Picture picture)
    {
        Span<uint> pixels = MemoryMarshal.Cast<byte, uint>(picture.Pixels);
        for (int y = 0; y < picture.Height; y++)
            pixels.Slice(y * picture.Width, picture.Width).Reverse();
    }

    /// <summary>Towards black, or away from it.</summary>
    public static void Brighten(Picture picture, float factor) => Blend(picture, factor, static (_, _) => 0, 0);

    /// <summary>Towards the mean grey, or away from it.</summary>
    public static void Contrast(Picture picture, float factor)
    {
        if (factor == 1)
            return;
        ReadOnlySpan<byte> pixels = picture.Pixels;
        long sum = 0;
        for (int i = 0; i < pixels.Length; i += Picture.BytesPerPixel)
            sum += Grey(pixels[i..]);
        Blend(picture, factor, static (_, mean) => mean, (int)(((double)sum / (picture.Width * picture.Height)) + 0.5));
    }

    /// <summary>Each pixel towards its own grey, or away from it.</summary>
    public static void Saturate(Picture picture, float factor) => Blend(picture, factor, static (pixel, _) => Grey(pixel), 0);

    private delegate int Target(ReadOnlySpan<byte> pixel, int mean);

    private static void Blend(Picture picture, float factor, Target target, int mean)
    {
        if (factor == 1)
            return;
        Span<byte> pixels = picture.Pixels;
        for (int i = 0; i < pixels.Length; i += Picture.BytesPerPixel)
        {
            int towards = target(pixels[i..], mean);
            for (int channel = i; channel < i + Picture.Channels; channel++)
                pixels[channel] = (byte)Math.Clamp(towards + (factor * (pixels[channel] - towards)), 0, byte.MaxValue);
        }
    }

    // ITU-R 601-2, as PIL has it.
    private static int Grey(ReadOnlySpan<byte> pixel) => ((pixel[0] * 19595) + (pixel[1] * 38470) + (pixel[2] * 7471) + 0x8000) >> 16;
}
