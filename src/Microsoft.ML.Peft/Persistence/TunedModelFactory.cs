using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>Puts the task's head and a tuner on a base, for a fit and for an archive alike.</summary>
internal static class TunedModelFactory
{
    /// <param name="model">The base, which the result takes over.</param>
    /// <param name="task">The task, which has the head.</param>
    /// <param name="options">The tuner's settings.</param>
    /// <param name="seed">Seed of the tuner's own weights.</param>
    /// <param name="saved">The tensors that the tuner is about to take; null in a fit.</param>
    public static TunedModel Create(PretrainedModel model, TaskRuntime task, TunerOptions options, long seed, ITensorSource? saved = null)
    {
        Head head = task.CreateHead(model);
        ITuner tuner = options.Create();
        return Failure.Disposes(tuner, () =>
        {
            tuner.Attach(new TuningTarget(model.Weights, model.DefaultTargets, head.Parameters, saved), seed);
            return new TunedModel(model, head, tuner);
        });
    }
}
