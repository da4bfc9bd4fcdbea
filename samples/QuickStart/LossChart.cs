using Microsoft.ML.Peft;
using ScottPlot;

namespace Samples;

/// <summary>A picture of a training run: the loss of its steps and what its evaluations say.</summary>
internal static class LossChart
{
    public static string Save(IReadOnlyList<TrainingProgress> run, string metric, string title, string path)
    {
        using var plot = new Plot();
        var loss = plot.Add.Scatter(run.Select(p => (double)p.Step).ToArray(), Smooth(run));
        (loss.MarkerSize, loss.LineWidth, loss.LegendText) = (0, 2, "training loss (left)");
        TrainingProgress[] evaluations = [.. run.Where(p => p.Validation?.ContainsKey(metric) == true)];
        if (evaluations.Length > 0)
        {
            var score = plot.Add.Scatter(evaluations.Select(p => (double)p.Step).ToArray(), evaluations.Select(p => p.Validation![metric]).ToArray());
            (score.MarkerSize, score.LineWidth, score.LegendText) = (9, 2, $"validation {metric} (right)");
            score.Axes.YAxis = plot.Axes.Right;
            plot.Axes.Right.Label.Text = $"validation {metric}";
        }
        plot.Title(title);
        plot.XLabel("step");
        plot.YLabel("training loss");
        plot.ShowLegend(Alignment.UpperCenter);
        plot.SavePng(path, 900, 540);
        return Path.GetFullPath(path);
    }

    // Single batches jump: a running mean shows the course.
    private static double[] Smooth(IReadOnlyList<TrainingProgress> run)
    {
        double mean = run.Count > 0 ? run[0].Loss : 0;
        return [.. run.Select(p => mean += (p.Loss - mean) * 0.2)];
    }
}
