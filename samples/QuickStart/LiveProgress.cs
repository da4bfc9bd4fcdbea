using Microsoft.ML.Peft;
using Spectre.Console;

namespace Samples;

/// <summary>A bar that a training run fills, and what it reported.</summary>
internal sealed class LiveProgress(ProgressTask bar, string name) : IProgress<TrainingProgress>
{
    private readonly List<TrainingProgress> _seen = [];

    /// <summary>Shows the bar while the work runs, and hands back what was reported.</summary>
    public static IReadOnlyList<TrainingProgress> Show(string name, Action<LiveProgress> work) => AnsiConsole.Progress()
        .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
        .Start(context =>
        {
            var progress = new LiveProgress(context.AddTask(name), name);
            work(progress);
            return progress._seen;
        });

    public void Report(TrainingProgress value)
    {
        _seen.Add(value);
        (bar.MaxValue, bar.Value) = (value.TotalSteps, value.Step);
        bar.Description = $"{name}: epoch {value.Epoch}, loss {value.Loss:F3}, {value.RowsPerSecond:F0} rows/s";
    }
}
