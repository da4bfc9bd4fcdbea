namespace Microsoft.ML.VisionLanguage.Images;

/// <summary>
/// Resizes as PIL does, to the bit: a cubic kernel (Keys 1981) that grows with what it shrinks, weights in fixed point, along lines and
/// across them, rounded to 8 bits in between.
/// </summary>
internal static class Resampling
{
    // Eight bits of a pixel, and two for sums beyond it.
    private const int Fraction = 32 - 8 - 2, Support = 2;

    private const double A = -0.5;

    // Newer versions of PIL begin across the lines where the height shrinks much more than the width. Its cases here set the limit between
    // .69 and .98; a picture that keeps its proportions is far from it.
    private const double MuchMore = 0.75;

    public static Picture Bicubic(Picture picture, int width, int height)
    {
        double taller = (double)height / picture.Height, wider = (double)width / picture.Width;
        return taller < Math.Min(1, MuchMore * wider)
            ? AlongLines(AcrossLines(picture, height), width)
            : AcrossLines(AlongLines(picture, width), height);
    }

    private static Picture AlongLines(Picture picture, int width)
    {
        if (width == picture.Width)
            return picture;
        Window[] windows = Windows(picture.Width, width);
        var rgb = new byte[width * picture.Height * Picture.Channels];
        for (int y = 0, to = 0; y < picture.Height; y++)
        {
            ReadOnlySpan<byte> line = picture.Rgb.AsSpan(y * picture.Width * Picture.Channels, picture.Width * Picture.Channels);
            foreach (Window window in windows)
            {
                for (int channel = 0; channel < Picture.Channels; channel++)
                    rgb[to++] = window.Sum(line[((window.Start * Picture.Channels) + channel)..], Picture.Channels);
            }
        }
        return new Picture(width, picture.Height, rgb);
    }

    private static Picture AcrossLines(Picture picture, int height)
    {
        if (height == picture.Height)
            return picture;
        int stride = picture.Width * Picture.Channels, to = 0;
        var rgb = new byte[stride * height];
        foreach (Window window in Windows(picture.Height, height))
        {
            for (int x = 0; x < stride; x++)
                rgb[to++] = window.Sum(picture.Rgb.AsSpan((window.Start * stride) + x), stride);
        }
        return new Picture(picture.Width, height, rgb);
    }

    /// <summary>What each pixel of a line of the new length is made of.</summary>
    private static Window[] Windows(int from, int to)
    {
        double scale = (double)from / to, stretch = Math.Max(scale, 1), support = Support * stretch;
        var windows = new Window[to];
        for (int i = 0; i < to; i++)
        {
            double center = (i + 0.5) * scale;
            int first = Math.Max(0, (int)(center - support + 0.5)), end = Math.Min(from, (int)(center + support + 0.5));
            var weights = new double[end - first];
            for (int x = 0; x < weights.Length; x++)
                weights[x] = Kernel((x + first - center + 0.5) / stretch);
            double sum = weights.Sum();
            windows[i] = new Window(first, Array.ConvertAll(weights, weight => Fixed(weight / sum)));
        }
        return windows;
    }

    private static int Fixed(double weight) => (int)((weight * (1 << Fraction)) + (weight < 0 ? -0.5 : 0.5));

    private static double Kernel(double x) => Math.Abs(x) switch
    {
        < 1 and var near => ((((A + 2) * near) - (A + 3)) * near * near) + 1,
        < 2 and var far => ((((far - 5) * far) + 8) * far - 4) * A,
        _ => 0,
    };

    /// <summary>Neighbouring pixels and their weights.</summary>
    private readonly record struct Window(int Start, int[] Weights)
    {
        /// <param name="values">From the first of the pixels on.</param>
        /// <param name="stride">The distance to the next.</param>
        public byte Sum(ReadOnlySpan<byte> values, int stride)
        {
            int sum = 1 << (Fraction - 1);
            for (int i = 0, at = 0; i < Weights.Length; i++, at += stride)
                sum += values[at] * Weights[i];
            return (byte)Math.Clamp(sum >> Fraction, 0, byte.MaxValue);
        }
    }
}
