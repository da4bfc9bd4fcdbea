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
    /// <summary>Attaches a further adapter to a model in use: nothing of it is seen before a call asks for its key.</summary>
    /// <exception cref="InvalidDataException">The adapter does not fit the model; the message names tensors or modules.</exception>
    /// <exception cref="NotSupportedException">It, or the one that the model was tuned with, changes the base itself.</exception>
    public static ITuner AddAdapter(TunedModel model, TunerOptions settings, ITensorSource tensors, string key)
    {
        var target = new TuningTarget(model.Model.Weights, model.Model.DefaultTargets, model.Head.Parameters, tensors) { IsShared = true };
        target.CheckChanges(model.Tuner.InPlace);
        return Failure.IsInvalidData(tensors.Description, () =>
        {
            ITuner tuner = settings.Create();
            return Failure.Disposes(tuner, () =>
            {
                tuner.Attach(target, seed: 0, key);
                tuner.Import(tensors);
                return tuner;
            });
        });
    }

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
