using Microsoft.ML.Peft.Hosting;

namespace Microsoft.ML.VisionLanguage.Probes;

/// <summary>Measures probes after few rows a class.</summary>
/// <param name="host">The context.</param>
/// <param name="options">How.</param>
internal sealed class FewShotRun(PeftHost host, FewShotOptions options)
{
    /// <summary>openai/CLIP's own C.</summary>
    private const double UsualStrength = 0.316;

    /// <summary>Rows a class by which C is chosen at most, however many shots there are (Zhou et al. 2022).</summary>
    private const int MostJudges = 4;

    private readonly ProbeFit _probe = new(host, options.MaxIterations, options.CancellationToken);

    /// <param name="train">Rows to draw from.</param>
    /// <param name="validation">Rows to draw from those by which C is chosen; null for none.</param>
    /// <param name="test">Rows to measure by.</param>
    /// <param name="names">The classes' names, for messages.</param>
    public IReadOnlyList<FewShotResult> Run(LabelledFeatures train, LabelledFeatures? validation, LabelledFeatures test, IReadOnlyList<string> names)
    {
        WarnOfFew(train, names);
        var results = new List<FewShotResult>();
        foreach (int shots in options.Shots)
        {
            foreach (long seed in options.Seeds)
                results.Add(Measure(train, validation, test, shots, seed));
        }
        return results;
    }

    private FewShotResult Measure(LabelledFeatures train, LabelledFeatures? validation, LabelledFeatures test, int shots, long seed)
    {
        using LabelledFeatures rows = train.Take(train.Draw(_ => shots, seed));
        double strength = options.C ?? (validation is null ? UsualStrength : Choose(rows, validation, shots, seed));
        LogisticRegression fitted = _probe.Fit(rows, strength);
        var result = new FewShotResult
        {
            Shots = shots, Seed = seed, TrainingRows = rows.Count, Accuracy = fitted.Judge(test).Accuracy, C = strength,
        };
        host.Info(result.ToString());
        return result;
    }

    private double Choose(LabelledFeatures rows, LabelledFeatures validation, int shots, long seed)
    {
        using LabelledFeatures judges = validation.Take(validation.Draw(_ => Math.Min(shots, MostJudges), seed));
        return _probe.Choose(rows, judges);
    }

    private void WarnOfFew(LabelledFeatures train, IReadOnlyList<string> names)
    {
        int most = options.Shots.Max();
        Dictionary<int, int> counts = train.Counts().ToDictionary(count => count.Class, count => count.Rows);
        string[] few = [.. names.Select((name, index) => (name, rows: counts.GetValueOrDefault(index))).Where(label => label.rows < most)
            .Select(label => $"'{label.name}' {label.rows}")];
        if (few.Length > 0)
            host.Warning($"Of {most} rows a class that a probe is to be trained on, some classes have fewer, and all of theirs count: {string.Join(", ", few.Take(10))}{(few.Length > 10 ? $" and {few.Length - 10} more" : "")}.");
    }
}
