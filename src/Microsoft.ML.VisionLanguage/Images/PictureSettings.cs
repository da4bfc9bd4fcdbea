using System.Text.Json;
using Microsoft.ML.Peft.Checkpoints;

namespace Microsoft.ML.VisionLanguage.Images;

/// <summary>How pictures become pixels: what a folder's <c>preprocessor_config.json</c> says.</summary>
internal sealed record PictureSettings
{
    public const string FileName = "preprocessor_config.json";

    private const int Bicubic = 3;

    /// <summary>What the shorter side becomes, the other in proportion; null where <see cref="Height"/> and <see cref="Width"/> say it.</summary>
    public int? ShortestEdge { get; init; }

    /// <summary>The height of what the model sees: of the middle that is cut out, or of the whole that was resized.</summary>
    public required int Height { get; init; }

    public required int Width { get; init; }

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
        if (c.Int("resample", Bicubic) is not Bicubic and var other)
            throw Malformed.File(description, $"{Bicubic} (bicubic) under 'resample'", $"{other}");
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
            Scale = c.Bool("do_rescale", true) ? c.Double("rescale_factor", 1.0 / 255) : 1,
            Mean = normalizes ? Channels(c, "image_mean", description) : [0, 0, 0],
            Deviation = normalizes ? Channels(c, "image_std", description) : [1, 1, 1],
        }.Checked(description);
    }

    /// <summary>Writes the pixels that a model sees, channel by channel.</summary>
    /// <param name="picture">The picture.</param>
    /// <param name="pixels">As many as <see cref="Count"/>.</param>
    public void Write(Picture picture, Span<float> pixels)
    {
        Picture sized = Resize(picture);
        int top = (sized.Height - Height) / 2, left = (sized.Width - Width) / 2, to = 0;
        for (int channel = 0; channel < Picture.Channels; channel++)
        {
            var (scale, mean, deviation) = ((float)Scale, (float)Mean[channel], (float)Deviation[channel]);
            for (int y = 0; y < Height; y++)
            {
                ReadOnlySpan<byte> line = sized.Rgb.AsSpan((((top + y) * sized.Width) + left) * Picture.Channels, Width * Picture.Channels);
                for (int x = channel; x < line.Length; x += Picture.Channels)
                    pixels[to++] = ((line[x] * scale) - mean) / deviation;
            }
        }
    }

    private Picture Resize(Picture picture)
    {
        if (ShortestEdge is not { } edge)
            return Resampling.Bicubic(picture, Width, Height);
        int shorter = Math.Min(picture.Width, picture.Height);
        int Proportional(int side) => (int)((long)edge * side / shorter);
        return Resampling.Bicubic(picture, Proportional(picture.Width), Proportional(picture.Height));
    }

    private PictureSettings Checked(string description)
    {
        if (Height < 1 || Width < 1 || ShortestEdge < Math.Max(Height, Width))
            throw Malformed.File(description, "a picture of a pixel at least, and its middle no larger than itself", $"{Height} by {Width}, cut out of a shorter side of {ShortestEdge}");
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
