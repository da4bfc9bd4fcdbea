using System.Globalization;

namespace Microsoft.ML.Peft;

/// <summary>
/// What a fit has cost the model beside its own task, and how much of the change was kept (WiSE-FT, Wortsman et al. 2022).
/// </summary>
public sealed record ForgettingReport
{
    internal ForgettingReport() { }

    /// <summary>Where the weights lie between those before the fit (0) and those that training ended with (1): the model's answers follow.</summary>
    public required double Share { get; init; }

    /// <summary>The accuracy of the zero-shot task before the fit; null where none was given.</summary>
    public required double? ZeroShotBefore { get; init; }

    /// <summary>The accuracy of the zero-shot task with the weights that the model now has; null where none was given.</summary>
    public required double? ZeroShotAfter { get; init; }

    /// <summary>The shares among which <see cref="Share"/> was chosen, in their order; none where all of the change was kept unasked.</summary>
    public required IReadOnlyList<InterpolationTrial> Trials { get; init; }

    /// <summary>The report in one line.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{(ZeroShotBefore is null ? "Forgetting was not measured" : $"Zero-shot accuracy {ZeroShotBefore:f4} before, {ZeroShotAfter:f4} after ({ZeroShotAfter - ZeroShotBefore:+0.0000;-0.0000;0})")}; {Share:0.##} of the change is kept{(Trials.Count == 0 ? "" : $", chosen among {Trials.Count} shares")}.");
}

/// <summary>Weights between those before and after training, and what they are worth.</summary>
/// <param name="Share">Where they lie: 0 is before, 1 after.</param>
/// <param name="Validation">Loss and metrics over the validation set, by the names in <see cref="TrainingMetrics"/>.</param>
/// <param name="ZeroShot">The accuracy of the zero-shot task; null where none was given.</param>
public sealed record InterpolationTrial(double Share, IReadOnlyDictionary<string, double> Validation, double? ZeroShot)
{
    /// <summary>The trial in one line.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"Share {Share:0.##}: validation {TrainingMetrics.Text(Validation)}{(ZeroShot is null ? "" : $"; zero-shot accuracy {ZeroShot:f4}")}.");
}
