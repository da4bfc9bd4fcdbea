using System.Globalization;
using Microsoft.ML.Peft.Hosting;

namespace Microsoft.ML.VisionLanguage.Probes;

/// <summary>Fits a probe, with C as given or chosen on validation rows, and says how that went.</summary>
/// <param name="host">The context.</param>
/// <param name="maxIterations">Steps of L-BFGS at most, for each fit.</param>
/// <param name="cancellation">Ends it.</param>
internal sealed class ProbeFit(PeftHost host, int maxIterations, CancellationToken cancellation)
{
    /// <summary>Fits with a given C.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="strength">C.</param>
    public LogisticRegression Fit(LabelledFeatures rows, double strength)
    {
        LogisticRegression fitted = LogisticRegression.Fit(rows, strength, maxIterations, cancellation);
        Minimum minimum = fitted.Minimum;
        string text = string.Create(
            CultureInfo.InvariantCulture, $"Logistic regression, C = {strength:g4}: objective {minimum.Value:g6} after {minimum.Iterations} steps of L-BFGS, gradient {minimum.GradientNorm:g2}.");
        if (minimum.Converged)
            host.Info(text);
        else
            host.Warning(text + " It has not converged: allow more steps (MaxIterations), or scale the features.");
        return fitted;
    }

    /// <summary>Chooses C.</summary>
    /// <param name="rows">Rows to fit on.</param>
    /// <param name="judges">Rows to judge by.</param>
    public double Choose(LabelledFeatures rows, LabelledFeatures judges) => StrengthSweep.Choose(rows, judges, maxIterations, cancellation);

    /// <summary>Chooses C by some of the rows, which are held out meanwhile.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="share">The share of each class that is held out.</param>
    /// <param name="seed">Decides which.</param>
    /// <exception cref="InvalidOperationException">No class has two rows.</exception>
    public double Choose(LabelledFeatures rows, double share, long seed)
    {
        // A class of one row is not halved.
        int[] held = rows.Draw(count => count == 1 ? 0 : Math.Clamp((int)Math.Round(share * count), 1, count - 1), seed);
        if (held.Length == 0)
        {
            throw new InvalidOperationException(
                $"No class of the training data has two rows, so that none can be held out to choose C by: give a validation set, or C itself ({nameof(ClipLinearProbe)}.{nameof(ClipLinearProbe.Options)}.{nameof(ClipLinearProbe.Options.C)}).");
        }
        host.Info($"C is chosen by {held.Length} of {rows.Count} rows, which are held out meanwhile.");
        using LabelledFeatures aside = rows.Take(held), left = rows.Take([.. Enumerable.Range(0, rows.Count).Except(held)]);
        return Choose(left, aside);
    }
}
