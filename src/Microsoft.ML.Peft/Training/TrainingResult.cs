using System.Globalization;

namespace Microsoft.ML.Peft;

/// <summary>Why a run ended.</summary>
public enum TrainingEnd
{
    /// <summary>All its steps were done.</summary>
    Completed,

    /// <summary>Evaluations no longer improved (<see cref="TrainingOptions.EarlyStoppingPatience"/>).</summary>
    StoppedEarly,

    /// <summary>It was cancelled, and asked to hand back what it had (<see cref="TrainingOptions.ReturnBestWhenCancelled"/>).</summary>
    Cancelled,
}

/// <summary>What a fit came to.</summary>
public sealed record TrainingResult
{
    internal TrainingResult() { }

    /// <summary>Why it ended.</summary>
    public required TrainingEnd End { get; init; }

    /// <summary>Updates of the weights, those before a resumption included.</summary>
    public required int Steps { get; init; }

    /// <summary>Mean training loss of the last epoch that was entered.</summary>
    public required double Loss { get; init; }

    /// <summary>The step whose weights the model now has, where evaluations chose it; null for the last one.</summary>
    public required int? BestStep { get; init; }

    /// <summary>Loss and metrics of the best evaluation, by the names in <see cref="TrainingMetrics"/>; null where there was none.</summary>
    public required IReadOnlyDictionary<string, double>? BestMetrics { get; init; }

    /// <summary>The epochs that were done, those before a resumption included.</summary>
    public required IReadOnlyList<TrainingEpoch> History { get; init; }

    /// <summary>What the model can no longer do, and how much of the change was kept; null for a method that does not ask.</summary>
    public ForgettingReport? Forgetting { get; init; }

    /// <summary>The result in one line.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{End} at step {Steps}: training loss {Loss:f4}{(BestMetrics is null ? "" : $"; best evaluation{(BestStep is { } step ? $", at step {step}" : "")}: {TrainingMetrics.Text(BestMetrics)}")}.");
}

/// <summary>An epoch of a run.</summary>
/// <param name="Epoch">The epoch, from 1.</param>
/// <param name="Step">Updates of the weights at its end.</param>
/// <param name="Loss">Its mean training loss.</param>
/// <param name="Validation">Validation loss and metrics, by the names in <see cref="TrainingMetrics"/>; null where it was not evaluated.</param>
public sealed record TrainingEpoch(int Epoch, int Step, double Loss, IReadOnlyDictionary<string, double>? Validation)
{
    /// <summary>The epoch in one line.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"Epoch {Epoch}, step {Step}: training loss {Loss:f4}{(Validation is null ? "" : $", validation {TrainingMetrics.Text(Validation)}")}.");
}
