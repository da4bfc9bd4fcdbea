using Microsoft.ML.VisionLanguage.Probes;

namespace Microsoft.ML.VisionLanguage;

/// <summary>How a few-shot curve is measured.</summary>
public sealed class FewShotOptions
{
    /// <summary>Rows a class that a probe is trained on; 1, 2, 4, 8 and 16 by default, as in the papers. Of a class with fewer, all count, with a warning.</summary>
    public IReadOnlyList<int> Shots { get; set; } = [1, 2, 4, 8, 16];

    /// <summary>Each decides which rows are drawn; 1, 2 and 3 by default. Under one seed the rows of fewer shots are among those of more.</summary>
    public IReadOnlyList<long> Seeds { get; set; } = [1, 2, 3];

    /// <summary>
    /// How much a row counts against the penalty on the weights, scikit-learn's C; null (the default) to choose it on <see cref="ValidationSet"/>,
    /// or for 0.316, openai/CLIP's own, where there is none.
    /// </summary>
    public double? C { get; set; }

    /// <summary>
    /// Rows to choose <see cref="C"/> by, of which as many are drawn as there are shots, but four a class at most (Zhou et al. 2022); null (the
    /// default) for none.
    /// </summary>
    public IDataView? ValidationSet { get; set; }

    /// <summary>Steps of L-BFGS at most, for each fit; 1000 by default.</summary>
    public int MaxIterations { get; set; } = 1000;

    /// <summary>Ends the measurement in an <see cref="OperationCanceledException"/>.</summary>
    public CancellationToken CancellationToken { get; set; }

    /// <exception cref="ArgumentException">A setting is missing or out of range; the message names it.</exception>
    internal void Validate()
    {
        ArgumentNullException.ThrowIfNull(Shots);
        ArgumentNullException.ThrowIfNull(Seeds);
        ProbeChecks.Strength(C, nameof(C));
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxIterations, 1);
        if (Shots.Count == 0 || Shots.Any(shots => shots < 1))
            throw new ArgumentException($"{nameof(Shots)} must be one number or more, each at least 1.", nameof(Shots));
        if (Seeds.Count == 0)
            throw new ArgumentException($"{nameof(Seeds)} must be one number or more.", nameof(Seeds));
    }
}
