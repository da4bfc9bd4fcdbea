namespace Microsoft.ML.VisionLanguage;

/// <summary>How pictures are read, whatever the task: what is allowed, and what becomes of those that cannot be read. It is saved with the model.</summary>
public sealed class PictureOptions
{
    // As many as one array has room for, 4 bytes each.
    private const long MostPixels = 500_000_000;

    /// <summary>
    /// The folder below which files must lie that a column of paths names, wherever symbolic links lead; null (the default) for anywhere. A
    /// path outside it is not opened.
    /// </summary>
    public string? AllowedFolder { get; set; }

    /// <summary>
    /// Pixels that a picture may have, by its header, before memory is taken for them (4 bytes each): a few bytes can claim billions.
    /// Default 89,478,485, PIL's limit.
    /// </summary>
    public long MaxPixels { get; set; } = 89_478_485;

    /// <summary>
    /// Whether alpha is left out and a pixel's colour counts however transparent it is, as in the originals (PIL's <c>convert("RGB")</c>); false
    /// (the default) lays pictures over white.
    /// </summary>
    public bool DropAlpha { get; set; }

    /// <summary>
    /// Whether a picture that cannot be read (damaged, empty, too large, not there, outside <see cref="AllowedFolder"/>) is a missing value, which
    /// the log counts: such a row is left out of training, and its vectors and scores are NaN. False (the default): it is an error that names
    /// the row.
    /// </summary>
    public bool AllowUnreadable { get; set; }

    /// <summary>How pictures are varied in training; null (the default) for not at all.</summary>
    public PictureAugmentation? Augmentation { get; set; }

    /// <exception cref="ArgumentException">A setting is out of range; the message names it.</exception>
    internal void Validate()
    {
        if (AllowedFolder is not null)
            ArgumentException.ThrowIfNullOrWhiteSpace(AllowedFolder);
        if (MaxPixels is < 1 or > MostPixels)
            throw new ArgumentOutOfRangeException(nameof(MaxPixels), MaxPixels, $"{nameof(MaxPixels)} must be 1 to {MostPixels}.");
        Augmentation?.Validate();
    }
}
