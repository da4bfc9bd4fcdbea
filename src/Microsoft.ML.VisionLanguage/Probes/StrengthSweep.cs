namespace Microsoft.ML.VisionLanguage.Probes;

/// <summary>
/// Chooses C by validation rows, as CLIP's paper does (Radford et al. 2021, A.3): of 97 values from 10⁻⁶ to 10⁶, eight a decade, first every
/// sixteenth, then those around the best, at half the distance each time.
/// </summary>
internal static class StrengthSweep
{
    private const int StepsPerDecade = 8, Last = 96, FirstDistance = 16;

    private const double Least = 1e-6;

    /// <param name="train">Rows to fit on.</param>
    /// <param name="validation">Rows to judge by: the share that is right, among equals the cross-entropy, among equals again the smaller C.</param>
    /// <param name="maxIterations">Steps of L-BFGS at most, each time.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <returns>C.</returns>
    public static double Choose(LabelledFeatures train, LabelledFeatures validation, int maxIterations, CancellationToken cancellation = default)
    {
        var judged = new Dictionary<int, (double Accuracy, double Gain)>();
        int best = Best(Enumerable.Range(0, (Last / FirstDistance) + 1).Select(i => i * FirstDistance));
        for (int distance = FirstDistance / 2; distance > 0; distance /= 2)
            best = Best(new[] { best - distance, best, best + distance }.Where(i => i is >= 0 and <= Last));
        return StrengthAt(best);

        int Best(IEnumerable<int> places) => places.MaxBy(Judge);

        (double, double) Judge(int place)
        {
            if (!judged.TryGetValue(place, out var known))
            {
                (double accuracy, double loss) = LogisticRegression.Fit(train, StrengthAt(place), maxIterations, cancellation).Judge(validation);
                judged.Add(place, known = (accuracy, -loss));
            }
            return known;
        }
    }

    private static double StrengthAt(int place) => Least * Math.Pow(10, (double)place / StepsPerDecade);
}
