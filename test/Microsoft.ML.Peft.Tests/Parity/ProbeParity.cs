using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.VisionLanguage.Probes;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Parity;

/// <summary>Logistic regression over given features, for each C that a case has.</summary>
internal static partial class ProbeParity
{
    private const int Enough = 10_000;

    public static void Run(ParityCase parity)
    {
        using var scope = NewDisposeScope();
        int[] Labels(string name) => [.. parity.Input(name).cpu().data<long>().Select(label => (int)label)];
        int[] labels = Labels("in.labels"), testLabels = Labels("in.test_labels");
        int classes = labels.Max() + 1;
        using var train = new LabelledFeatures(parity.Input("in.features"), labels, classes);
        using var test = new LabelledFeatures(parity.Input("in.test_features"), testLabels, classes);
        foreach (string strength in parity.TensorNames.Select(name => Strength().Match(name)).Where(match => match.Success).Select(match => match.Groups[1].Value).Distinct().ToArray())
        {
            var fitted = LogisticRegression.Fit(train, double.Parse(strength, CultureInfo.InvariantCulture), Enough);
            Assert.IsTrue(fitted.Minimum.Converged, $"C = {strength}: {fitted.Minimum.Iterations} steps did not suffice.");
            (Tensor weight, Tensor bias) = fitted.Weights();
            Tensor log = fitted.LogProbabilities(test);
            parity.Check($"out.C{strength}.weight", weight);
            parity.Check($"out.C{strength}.bias", bias);
            parity.Check($"out.C{strength}.objective", tensor(fitted.Minimum.Value));
            parity.Check($"out.C{strength}.test_log_probs", log);
            parity.Check($"out.C{strength}.test_predictions", log.argmax(1));
        }
    }

    [GeneratedRegex(@"^out\.C([0-9.]+)\.weight$")]
    private static partial Regex Strength();
}
