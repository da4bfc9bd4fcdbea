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
    public static ITuner AddAdapter(TunedModel model, TunerOptions settings, ITensorSource tensors, string key, Action<string>? warn = null)
    {
        TuningTarget target = TargetOf(model.Model, model.Head, tensors, warn) with { IsShared = true };
        target.CheckChanges(model.Tuner.InPlace);
        ITuner tuner = Attach(settings, target, seed: 0, key);
        return Failure.Disposes(tuner, () =>
        {
            AdapterEffect.Check(model.Model, tuner, key, tensors.Description, warn);
            return tuner;
        });
    }

    /// <summary>Makes a tuner on a model; it takes the tensors that the target has for it.</summary>
    /// <exception cref="ArgumentException">An option matches nothing in this model.</exception>
    /// <exception cref="InvalidDataException">What is saved does not fit the model; the message names tensors or modules.</exception>
    /// <exception cref="NotSupportedException">It changes a base that others share.</exception>
    public static ITuner Attach(TunerOptions settings, TuningTarget target, long seed, string key = ForwardContext.DefaultAdapter)
    {
        return target.Saved is { } saved ? Failure.IsInvalidData(saved.Description, Make) : Make();

        ITuner Make()
        {
            ITuner tuner = settings.Create();
            return Failure.Disposes(tuner, () =>
            {
                tuner.Attach(settings.Modules is { } modules ? target.Within(modules) : target, seed, key);
                if (target.Saved is not null)
                    tuner.Import(target.Saved);
                return tuner;
            });
        }
    }

    /// <summary>Puts head and tuner on a base.</summary>
    /// <param name="model">The base, which the result takes over.</param>
    /// <param name="task">The task, which has the head.</param>
    /// <param name="options">The tuner's settings.</param>
    /// <param name="seed">Seed of the tuner's own weights.</param>
    /// <param name="saved">The tensors that the tuner takes; null for new ones.</param>
    /// <param name="warn">Is told of settings that match nothing beside saved tensors; null where nobody listens.</param>
    public static TunedModel Create(
        PretrainedModel model, TaskRuntime task, TunerOptions options, long seed, ITensorSource? saved = null, Action<string>? warn = null) =>
        Create(model, task, options, seed, _ => saved, warn);

    /// <summary>Puts head and tuner on a base.</summary>
    /// <param name="model">The base, which the result takes over.</param>
    /// <param name="task">The task, which has the head.</param>
    /// <param name="options">The tuner's settings.</param>
    /// <param name="seed">Seed of the tuner's own weights.</param>
    /// <param name="saved">Gives the tensors that the tuner takes, for the head that was made; null for new ones.</param>
    /// <param name="warn">Is told of settings that match nothing beside saved tensors; null where nobody listens.</param>
    public static TunedModel Create(
        PretrainedModel model, TaskRuntime task, TunerOptions options, long seed, Func<Head, ITensorSource?> saved, Action<string>? warn)
    {
        Head head = task.CreateHead(model);
        TuningTarget target = TargetOf(model, head, saved(head), warn);
        var tuned = new TunedModel(model, head, Attach(options, target, seed));
        if (target.Saved is { } tensors)
            AdapterEffect.Check(model, tuned.Tuner, ForwardContext.DefaultAdapter, tensors.Description, warn);
        return tuned;
    }

    private static TuningTarget TargetOf(PretrainedModel model, Head head, ITensorSource? saved, Action<string>? warn) =>
        new(model.Weights, model.DefaultTargets, head.Parameters, saved)
        {
            HeadConstants = head.Constants, ReadsFirst = head.ReadsFirst, Warn = warn, KeysOf = ids => TokenKeys.Of(model, ids),
        };
}
