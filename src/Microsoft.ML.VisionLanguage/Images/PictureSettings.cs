using System.Text.Json;
using Microsoft.ML.Peft.Checkpoints;

namespace Microsoft.ML.VisionLanguage.Images;

/// <summary>How pictures become pixels: what a folder's <c>preprocessor_config.json</c> says.</summary>
internal sealed record PictureSettings
{
    public const string FileName = "preprocessor_config.json";

    // What each of a channel's 256 bytes becomes.
    private float[][] _values = [];

    /// <summary>What the shorter side becomes, the other in proportion; null where <see cref="Height"/> and <see cref="Width"/> say it.</summary>
    public int? ShortestEdge { get; init; }

    /// <summary>The height of what the model sees: of the middle that is cut out, or of the whole that was resized.</summary>
    public required int Height { get; init; }

    public required int Width { get; init; }

    /// <summary>How it is resized.</summary>
    public required ResamplingKernel Kernel { get; init; }

    /// <summary>What a channel's 0 to 255 is multiplied with.</summary>
    public required double Scale { get; init; }

    /// <summary>What is taken from each channel then.</summary>
    public required IReadOnlyList<double> Mean { get; init; }

    /// <summary>What each channel is divided by at last.</summary>
    public required IReadOnlyList<double> Deviation { get; init; }

    /// <summary>Values of a picture.</summary>
    public int Count => Picture.Channels * Height * Width;

    /// <exception cref="InvalidDataException">It is malformed, or asks for what is not known.</exception>
    public static PictureSettings Parse(ReadOnlyMemory<byte> utf8, string description)
    {
        HfConfig c = HfConfig.Parse(utf8, description);
        int resample = c.Int("resample", ResamplingKernel.BicubicNumber);
        ResamplingKernel kernel = ResamplingKernel.Of(resample) ?? throw Malformed.File(description, $"one of {ResamplingKernel.Known} under 'resample'", $"{resample}");
        if (!c.Bool("do_resize", true))
            throw Malformed.File(description, "true under 'do_resize'", "false");
        bool crops = c.Bool("do_center_crop", c.Has("crop_size"));
        // A single number is the shorter side where the middle is cut out, and both sides where it is not.
        int? shortest = c.Kind("size") == JsonValueKind.Number ? (crops ? c.Int("size") : null)
            : c.Section("size").Has("shortest_edge") ? c.Section("size").Int("shortest_edge") : null;
        var (height, width) = Sides(c, crops ? "crop_size" : "size");
        bool normalizes = c.Bool("do_normalize", true);
        return new PictureSettings
        {
            ShortestEdge = shortest,
            Height = height,
            Width = width,
            Kernel = kernel,
            Scale = c.Bool("do_rescale", true) ? c.Double("rescale_factor", 1.0 / 255) : 1,
            Mean = normalizes ? Channels(c, "image_mean", description) : [0, 0, 0],
            Deviation = normalizes ? Channels(c, "image_std", description) : [1, 1, 1],
        }.Checked(description);
    }

    /// <summary>Writes the pixels that a model sees, channel by channel.</summary>
    /// <param name="picture">The picture.</param>
    /// <param name="draw">How it is varied; null for not at all.</param>
    /// <param name="pixels">As many as <see cref="Count"/>.</param>
    public void Write(Picture picture, PictureDraw? draw, Span<float> pixels)
    {
        using Picture seen = draw?.RegionOf(picture) is { } region
            ? Resampling.Resize(picture, region, Width, Height, new Region(0, 0, Width, Height), Kernel)
            : See(picture);
        draw?.Apply(seen);
        Normalize(seen, pixels);
    }

    /// <summary>What the model sees of a picture: its middle, or the whole.</summary>
    private Picture See(Picture picture)
    {
        var whole = new Region(0, 0, picture.Width, picture.Height);
        if (ShortestEdge is not { } edge)
            return Resampling.Resize(picture, whole, Width, Height, new Region(0, 0, Width, Height), Kernel);
        int shorter = Math.Min(picture.Width, picture.Height), width = Proportional(picture.Width), height = Proportional(picture.Height);
        return Resampling.Resize(picture, whole, width, height, new Region((width - Width) / 2, (height - Height) / 2, Width, Height), Kernel);

        int Proportional(int side) => (int)((long)edge * side / shorter);
    }

    private void Normalize(Picture seen, Span<float> pixels)
    {
        ReadOnlySpan<byte> bytes = seen.Pixels;
        for (int channel = 0, to = 0; channel < Picture.Channels; channel++)
        {
            float[] value = _values[channel];
            for (int at = channel; at < bytes.Length; at += Picture.BytesPerPixel)
                pixels[to++] = value[bytes[at]];
        }
    }

    private float[] ValuesOf(int channel)
    {
        var (scale, mean, deviation) = ((float)Scale, (float)Mean[channel], (float)Deviation[channel]);
        return [.. Enumerable.Range(0, byte.MaxValue + 1).Select(value => ((value * scale) - mean) / deviation)];
    }

    private PictureSettings Checked(string description)
    {
        if (Height < 1 || Width < 1 || ShortestEdge < Math.Max(Height, Width))
            throw Malformed.File(description, "a picture of a pixel at least, and its middle no larger than itself", $"{Height} by {Width}, cut out of a shorter side of {ShortestEdge}");
        _values = [.. Enumerable.Range(0, Picture.Channels).Select(ValuesOf)];
        return this;
    }

    private static (int Height, int Width) Sides(HfConfig c, string key)
    {
        if (c.Kind(key) == JsonValueKind.Number)
            return (c.Int(key), c.Int(key));
        HfConfig sides = c.Section(key);
        return (sides.Int("height"), sides.Int("width"));
    }

    private static IReadOnlyList<double> Channels(HfConfig c, string key, string description)
    {
        IReadOnlyList<double> values = c.Doubles(key);
        return values.Count == Picture.Channels ? values : throw Malformed.File(description, $"{Picture.Channels} numbers under '{key}'", $"{values.Count}");
    }
}
