using System.Globalization;

namespace Microsoft.ML.VisionLanguage;

/// <summary>One probe of a few-shot curve.</summary>
public sealed class FewShotResult
{
    internal FewShotResult() { }

    /// <summary>Rows a class that it was to be trained on.</summary>
    public int Shots { get; internal init; }

    /// <summary>What decided which rows.</summary>
    public long Seed { get; internal init; }

    /// <summary>Rows that it was trained on.</summary>
    public int TrainingRows { get; internal init; }

    /// <summary>The share of the test rows that it names right.</summary>
    public double Accuracy { get; internal init; }

    /// <summary>How much a row counted against the penalty on the weights.</summary>
    public double C { get; internal init; }

    /// <summary>The result in one line.</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Shots} a class, seed {Seed}: accuracy {Accuracy:f4} after {TrainingRows} rows, C = {C:g4}");
}

/// <summary>How good a linear probe is after few rows a class: a probe for each number of shots and each seed.</summary>
public sealed class FewShotCurve
{
    private readonly MLContext _context;

    internal FewShotCurve(MLContext context, IReadOnlyList<FewShotResult> results) => (_context, Results) = (context, results);

    /// <summary>The probes, by shots, then by seed, in the order in which these were given.</summary>
    public IReadOnlyList<FewShotResult> Results { get; }

    /// <summary>The mean accuracy over the seeds.</summary>
    /// <param name="shots">Rows a class.</param>
    /// <returns>The mean.</returns>
    /// <exception cref="ArgumentException">It was not measured.</exception>
    public double MeanAccuracy(int shots)
    {
        double[] found = [.. Results.Where(result => result.Shots == shots).Select(result => result.Accuracy)];
        return found.Length > 0 ? found.Average() : throw new ArgumentException(
            $"The curve has no point at {shots} shots: it has {string.Join(", ", Results.Select(result => result.Shots).Distinct())}.", nameof(shots));
    }

    /// <summary>The probes as rows with the columns of <see cref="FewShotResult"/>.</summary>
    /// <returns>The data.</returns>
    public IDataView ToDataView() => _context.Data.LoadFromEnumerable(Results);
}
