using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Estimators;

/// <summary>All that training needs.</summary>
/// <param name="Model">The model under its tuner.</param>
/// <param name="Task">What it learns.</param>
/// <param name="Tuner">The settings of the tuner.</param>
/// <param name="Train">The rows to learn from.</param>
/// <param name="Validation">The rows to measure on; null for none.</param>
/// <param name="Device">Where the model is.</param>
/// <param name="Seed">The run's seed.</param>
/// <param name="Facts">What decides what is learnt; null where no state is kept.</param>
internal sealed record FitRun(
    TunedModel Model, TaskRuntime Task, TunerOptions Tuner, IReadOnlyList<Example> Train, IReadOnlyList<Example>? Validation, Device Device, long Seed, RunFacts? Facts);

/// <summary>What a method does beside its run: made before the first step, it acts on what the last one leaves.</summary>
internal interface IRunCompanion : IDisposable
{
    /// <param name="result">What the run came to.</param>
    /// <returns>What the fit came to.</returns>
    /// <exception cref="OperationCanceledException">The fit was cancelled.</exception>
    TrainingResult Finish(TrainingResult result);
}
