using Microsoft.ML.Peft;
using Spectre.Console;

namespace Samples;

/// <summary>A bar that a training run fills, and what it reported.</summary>
internal sealed class LiveProgress(ProgressTask bar, string name) : IProgress<TrainingProgress>
{
    private readonly List<TrainingProgress> _seen = [];

    public IReadOnlyList<TrainingProgress> Seen => _seen;

    public static void Show(string name, Action<LiveProgress> work) => AnsiConsole.Progress()
        .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
        .Start(context => work(new LiveProgress(context.AddTask(name), name)));

    public void Report(TrainingProgress value)
    {
        _seen.Add(value);
        (bar.MaxValue, bar.Value) = (value.TotalSteps, value.Step);
        bar.Description = $"{name}: epoch {value.Epoch}, loss {value.Loss:F3}, {value.RowsPerSecond:F0} rows/s";
    }
}
