namespace Microsoft.ML.VisionLanguage;

/// <summary>
/// How pictures are varied from step to step of training, as torchvision does it; nothing by default. What is drawn depends on the run's seed, the
/// step and the row alone, so that a run that is taken up again draws the same. Validation and scoring see pictures as they are.
/// </summary>
public sealed class PictureAugmentation
{
    /// <summary>
    /// The least share of a picture's area that is cut out and resized in place of its middle (<c>RandomResizedCrop</c>); the share is drawn
    /// between this and 1. Null (the default): the middle, as in scoring. torchvision's default is 0.08, open_clip's 0.9.
    /// </summary>
    public double? MinCropArea { get; set; }

    /// <summary>
    /// The most that the sides of what is cut out differ, as width to height or height to width; drawn evenly by its logarithm. Default 4/3. What
    /// does not fit into the picture is made smaller until it does.
    /// </summary>
    public double MaxAspectRatio { get; set; } = 4.0 / 3;

    /// <summary>How often a picture is mirrored, left to right; 0 (the default) for never, 0.5 for every other time.</summary>
    public double FlipProbability { get; set; }

    /// <summary>How far the brightness goes from 1, up or down, at most; 0 (the default) leaves it.</summary>
    public double Brightness { get; set; }

    /// <summary>How far the contrast goes from 1, up or down, at most; 0 (the default) leaves it.</summary>
    public double Contrast { get; set; }

    /// <summary>How far the saturation goes from 1, up or down, at most; 0 (the default) leaves it.</summary>
    public double Saturation { get; set; }

    /// <exception cref="ArgumentOutOfRangeException">A setting is out of range; the message names it.</exception>
    internal void Validate()
    {
        Within(MinCropArea ?? 1, double.Epsilon, 1, nameof(MinCropArea), "more than 0 and 1 at most");
        Within(MaxAspectRatio, 1, 100, nameof(MaxAspectRatio), "1 to 100");
        Within(FlipProbability, 0, 1, nameof(FlipProbability), "0 to 1");
        Within(Brightness, 0, 1, nameof(Brightness), "0 to 1");
        Within(Contrast, 0, 1, nameof(Contrast), "0 to 1");
        Within(Saturation, 0, 1, nameof(Saturation), "0 to 1");
    }

    // Written so that NaN fails.
    private static void Within(double value, double least, double most, string name, string range)
    {
        if (!(value >= least && value <= most))
            throw new ArgumentOutOfRangeException(name, value, $"{name} must be {range}.");
    }
}
