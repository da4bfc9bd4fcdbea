namespace QuickStart;

/// <summary>How well labels are guessed.</summary>
internal readonly record struct Metrics(double Accuracy, double MacroF1)
{
    /// <summary>Macro F1 is over the labels that are true or guessed somewhere.</summary>
    public static Metrics Of(IReadOnlyList<string> actual, IReadOnlyList<string> predicted)
    {
        var pairs = actual.Zip(predicted).ToArray();
        double f1 = actual.Concat(predicted).Distinct().Average(label =>
            2.0 * pairs.Count(p => p.First == label && p.Second == label) / (actual.Count(l => l == label) + predicted.Count(l => l == label)));
        return new((double)pairs.Count(p => p.First == p.Second) / pairs.Length, f1);
    }
}
