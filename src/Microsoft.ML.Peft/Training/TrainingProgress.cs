using System.Globalization;

namespace Microsoft.ML.Peft;

/// <summary>Where a training run stands: after a step, or after an evaluation.</summary>
/// <param name="Epoch">The epoch, from 1.</param>
/// <param name="Step">Updates of the weights so far.</param>
/// <param name="TotalSteps">Updates that the whole run will take.</param>
/// <param name="Loss">Mean training loss of this step.</param>
/// <param name="LearningRate">The learning rate of this step.</param>
/// <param name="RowsPerSecond">Training rows a second since this call started.</param>
/// <param name="TimeLeft">What the rest will take at that pace, evaluations left aside.</param>
/// <param name="Validation">Validation loss and metrics, by the names in <see cref="TrainingMetrics"/>, where this step was followed by an evaluation, else null.</param>
public readonly record struct TrainingProgress(
    int Epoch,
    int Step,
    int TotalSteps,
    double Loss,
    double LearningRate,
    double RowsPerSecond,
    TimeSpan TimeLeft,
    IReadOnlyDictionary<string, double>? Validation)
{
    /// <summary>The progress in one line, as a fit logs it.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"Epoch {Epoch}, step {Step} of {TotalSteps}: loss {Loss:F4}, learning rate {LearningRate:G3}, {RowsPerSecond:F1} rows/s.{(Validation is null ? "" : $" Validation: {TrainingMetrics.Text(Validation)}.")}");
}
