using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>A base model: its weights, and what it makes of a batch for a head. What it can do besides, its capabilities tell.</summary>
/// <param name="config">Its part of config.json.</param>
/// <param name="root">Its place in the weights, which are the whole's: a model may be a part of a larger one.</param>
internal abstract class PretrainedModel(HfConfig config, WeightScope root) : IDisposable
{
    public HfConfig Config { get; } = config;

    public ModelWeights Weights => Root.Weights;

    /// <summary>Its place in the weights.</summary>
    protected WeightScope Root { get; } = root;

    /// <summary>What the model is registered as; null where it was made by itself.</summary>
    public ModelEntry? Entry { get; set; }

    public TuningSites Sites => Weights.Sites;

    /// <summary>Whether a classifier that the checkpoint brings is left out, and a task's head starts anew.</summary>
    public bool NewHead { get; set; }

    /// <summary>The classifier that the checkpoint brings where the head that was made last has its weights; null where it brings none.</summary>
    public FolderClassifier? FolderClassifier { get; private set; }

    /// <summary>Target modules of LoRA where the user names none, as PEFT has them for this architecture.</summary>
    public abstract IReadOnlyList<string> DefaultTargets { get; }

    /// <summary>The model as one that can do something.</summary>
    /// <exception cref="NotSupportedException">It cannot; the message says so.</exception>
    public T As<T>()
        where T : class => this as T ?? throw new NotSupportedException(
            $"Architecture '{Config.ModelType}' {CapabilityAttribute.LackOf(typeof(T))}.");

    /// <summary>What a head reads of a batch.</summary>
    /// <returns>[B, positions, hidden] for a model of texts; a model made of several says itself what its heads get.</returns>
    public abstract Tensor Features(Batch batch, Head head, ForwardContext context);

    /// <summary>Refuses a checkpoint whose base lacks weights or holds others than the model reads.</summary>
    /// <exception cref="InvalidDataException">The names do not fit.</exception>
    public void CheckComplete() => Weights.Sources.CheckComplete(IsOptional);

    /// <summary>Weights of the base, named without its prefix, that only some heads read.</summary>
    protected abstract bool IsOptional(string name);

    public void Dispose() => Weights.Dispose();

    /// <summary>The place of a head's weights that are no classes; what the checkpoint brings there is left out where the head is to start anew.</summary>
    protected WeightScope Trained(string name)
    {
        WeightScope scope = Root[name];
        if (NewHead)
            Weights.Sources.StartAnew(scope.Path);
        return scope;
    }

    /// <summary>The place of a classifier's weights. What the checkpoint brings there is left out if it has other classes.</summary>
    /// <param name="name">The module.</param>
    /// <param name="matrix">The matrix in it whose rows are the classes.</param>
    /// <param name="labels">How many classes there are to be.</param>
    protected WeightScope Classifier(string name, string matrix, int labels)
    {
        WeightScope scope = Root[name];
        FolderClassifier = NewHead ? null : Weights.Sources.FindClassifier(scope.Path, matrix);
        if (FolderClassifier?.Classes != labels)
            Weights.Sources.StartAnew(scope.Path);
        return scope;
    }
}
