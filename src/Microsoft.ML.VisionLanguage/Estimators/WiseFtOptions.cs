namespace Microsoft.ML.VisionLanguage;

/// <summary>
/// How much of what a fit has changed is kept (WiSE-FT, Wortsman et al. 2022): weights on the way from before to after are tried, and the best remain.
/// </summary>
public sealed class WiseFtOptions
{
    /// <summary>The shares of the change that are tried, from 0 (none of it) to 1 (all); 0, 0.1, ... 1 by default.</summary>
    public IReadOnlyList<double> Shares { get; set; } = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];

    /// <summary>
    /// What the zero-shot accuracy counts in the choice, from 0 (nothing) to 1 (all); the rest is the validation set's recall@1, the mean of both ways.
    /// 0.5 by default. Without a <see cref="ClipFineTune.Options.ZeroShot"/> the validation set chooses alone.
    /// </summary>
    public double ZeroShotWeight { get; set; } = 0.5;

    internal void Validate()
    {
        ArgumentNullException.ThrowIfNull(Shares);
        if (Shares.Count == 0 || !Shares.All(share => share is >= 0 and <= 1))
            throw new ArgumentException($"{nameof(WiseFtOptions)}.{nameof(Shares)} must be numbers from 0 to 1, one at least; they are {string.Join(", ", Shares)}.", nameof(Shares));
        if (ZeroShotWeight is not (>= 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(ZeroShotWeight), ZeroShotWeight, $"{nameof(WiseFtOptions)}.{nameof(ZeroShotWeight)} must be from 0 to 1.");
    }
}
