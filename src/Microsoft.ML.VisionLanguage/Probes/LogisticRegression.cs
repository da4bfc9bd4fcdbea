using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Probes;

/// <summary>
/// Multinomial logistic regression. It minimises ½·|W|² + C·Σ cross-entropy, the bias not penalised: scikit-learn's objective, which CLIP's
/// linear probes are given in. Rows of W count for two classes as for more.
/// </summary>
internal sealed class LogisticRegression
{
    // The gradient's norm at the minimum, as a share of the norm at zero.
    private const double Tolerance = 1e-9;

    private readonly int _classes, _width;

    private LogisticRegression(int classes, int width, double strength, Minimum minimum) =>
        (_classes, _width, Strength, Minimum) = (classes, width, strength, minimum);

    /// <summary>C: how much a row counts against the penalty.</summary>
    public double Strength { get; }

    /// <summary>The weights [classes, width], and the bias [classes] behind them, with the objective's value.</summary>
    public Minimum Minimum { get; }

    /// <summary>Fits to convergence, in double precision, from zero.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="strength">C.</param>
    /// <param name="maxIterations">Steps of L-BFGS at most.</param>
    /// <param name="cancellation">Ends it between two steps.</param>
    public static LogisticRegression Fit(LabelledFeatures rows, double strength, int maxIterations, CancellationToken cancellation = default)
    {
        using var scope = NewDisposeScope();
        using var noGradient = inference_mode();
        Tensor labels = tensor(rows.Labels, ScalarType.Int64, CPU).unsqueeze(1);
        var start = new double[rows.Classes * (rows.Width + 1)];
        return new LogisticRegression(
            rows.Classes, rows.Width, strength, Lbfgs.Minimize(Evaluate, start, Tolerance, maxIterations, cancellation));

        double Evaluate(double[] point, double[] gradient)
        {
            using var step = NewDisposeScope();
            (Tensor weight, Tensor bias) = Split(tensor(point, ScalarType.Float64, CPU), rows.Classes, rows.Width);
            Tensor logProbabilities = rows.Values.mm(weight.t()).add_(bias).log_softmax(1);
            double value = (0.5 * weight.square().sum().item<double>()) - (strength * logProbabilities.gather(1, labels).sum().item<double>());
            Tensor surprise = logProbabilities.exp().scatter_add_(1, labels, full_like(labels, -1, ScalarType.Float64)).mul_(strength);
            surprise.t().mm(rows.Values).add_(weight).data<double>().CopyTo(gradient);
            surprise.sum(dim: 0).data<double>().CopyTo(gradient, rows.Classes * rows.Width);
            return value;
        }
    }

    /// <summary>The logarithms of the classes' probabilities [N, classes], float64.</summary>
    public Tensor LogProbabilities(LabelledFeatures rows)
    {
        using var scope = NewDisposeScope();
        (Tensor weight, Tensor bias) = Weights();
        return rows.Values.mm(weight.t()).add_(bias).log_softmax(1).MoveToOuterDisposeScope();
    }

    /// <summary>W [classes, width] and bias [classes], float64, of the caller's scope.</summary>
    public (Tensor Weight, Tensor Bias) Weights() => Split(tensor(Minimum.Point, ScalarType.Float64, CPU), _classes, _width);

    /// <summary>How good it is on other rows.</summary>
    /// <returns>The share of rows whose class is the most probable, and the mean cross-entropy.</returns>
    public (double Accuracy, double Loss) Judge(LabelledFeatures rows)
    {
        using var scope = NewDisposeScope();
        Tensor labels = tensor(rows.Labels, ScalarType.Int64, CPU), log = LogProbabilities(rows);
        return (log.argmax(1).eq(labels).to(ScalarType.Float64).mean().item<double>(), -log.gather(1, labels.unsqueeze(1)).mean().item<double>());
    }

    private static (Tensor Weight, Tensor Bias) Split(Tensor point, int classes, int width) =>
        (point[..(classes * width)].view(classes, width), point[(classes * width)..]);
}
