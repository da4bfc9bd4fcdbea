namespace Microsoft.ML.VisionLanguage.Images;

/// <summary>What was drawn for one picture: the region that is seen, whether it is mirrored, and how its colours change.</summary>
/// <param name="Area">The share of the area that is cut out; 0 to see the picture's middle as in scoring.</param>
/// <param name="Aspect">Width to height of what is cut out.</param>
/// <param name="Left">Where it lies: 0 at the left, 1 at the right.</param>
/// <param name="Top">Where it lies: 0 at the top, 1 at the bottom.</param>
/// <param name="Flips">Whether left and right change places.</param>
/// <param name="Brightness">What brightness is multiplied with.</param>
/// <param name="Contrast">What contrast is multiplied with.</param>
/// <param name="Saturation">What saturation is multiplied with.</param>
/// <param name="Order">Which of the six orders of the three changes.</param>
internal readonly record struct PictureDraw(
    double Area, double Aspect, double Left, double Top, bool Flips, float Brightness, float Contrast, float Saturation, int Order)
{
    // Which change comes first, second and third.
    private static readonly int[][] s_orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

    private static readonly Action<PictureDraw, Picture>[] s_changes =
    [
        (draw, seen) => ColourChange.Brighten(seen, draw.Brightness), (draw, seen) => ColourChange.Contrast(seen, draw.Contrast),
        (draw, seen) => ColourChange.Saturate(seen, draw.Saturation),
    ];

    /// <summary>Draws as many numbers whatever the options are, so that what one of them draws does not depend on the others.</summary>
    public static PictureDraw Of(PictureAugmentation options, Random random)
    {
        double area = random.NextDouble(), aspect = random.NextDouble(), left = random.NextDouble(), top = random.NextDouble(), flip = random.NextDouble();
        double brightness = random.NextDouble(), contrast = random.NextDouble(), saturation = random.NextDouble();
        return new PictureDraw(
            options.MinCropArea is { } least ? least + ((1 - least) * area) : 0, Math.Exp(Math.Log(options.MaxAspectRatio) * ((2 * aspect) - 1)), left, top, flip < options.FlipProbability,
            Factor(options.Brightness, brightness), Factor(options.Contrast, contrast), Factor(options.Saturation, saturation), random.Next(s_orders.Length));
    }

    /// <summary>The draw that <see cref="ToValues"/> gave.</summary>
    public static PictureDraw From(ReadOnlySpan<double> values) => new(
        values[0], values[1], values[2], values[3], values[4] != 0, (float)values[5], (float)values[6], (float)values[7], (int)values[8]);

    /// <summary>The draw as numbers, none lost.</summary>
    public double[] ToValues() => [Area, Aspect, Left, Top, Flips ? 1 : 0, Brightness, Contrast, Saturation, Order];

    /// <summary>What is cut out of a picture; null for its middle.</summary>
    public Region? RegionOf(Picture picture)
    {
        if (Area == 0)
            return null;
        double width = Math.Sqrt(Area * picture.Width * picture.Height * Aspect), height = width / Aspect;
        double fit = Math.Min(1, Math.Min(picture.Width / width, picture.Height / height));
        int columns = Math.Clamp((int)Math.Round(width * fit), 1, picture.Width), lines = Math.Clamp((int)Math.Round(height * fit), 1, picture.Height);
        return new Region((int)((picture.Width - columns + 1) * Left), (int)((picture.Height - lines + 1) * Top), columns, lines);
    }

    /// <summary>Mirrors what is seen, and changes its colours, in place.</summary>
    public void Apply(Picture seen)
    {
        if (Flips)
            ColourChange.Mirror(seen);
        foreach (int change in s_orders[Order])
            s_changes[change](this, seen);
    }

    private static float Factor(double most, double draw) => (float)(1 + (most * ((2 * draw) - 1)));
}
