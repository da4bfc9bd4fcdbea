using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>A base model: token ids in, hidden states out, and the heads that its family has.</summary>
internal abstract class PretrainedModel(HfConfig config, ModelWeights weights) : IDisposable
{
    public HfConfig Config { get; } = config;

    public ModelWeights Weights { get; } = weights;

    public TuningSites Sites => Weights.Sites;

    /// <summary>Whether a classifier that the checkpoint brings is left out, and a task's head starts anew.</summary>
    public bool NewHead { get; set; }

    /// <summary>The classifier that the checkpoint brings where the head that was made last has its weights; null where it brings none.</summary>
    public FolderClassifier? FolderClassifier { get; private set; }

    public abstract int HiddenSize { get; }

    /// <summary>Rows of the token table.</summary>
    public long TokenRows => Sites.Tokens?.Weight.Outputs ?? long.MaxValue;

    /// <summary>The longest row in tokens.</summary>
    public abstract int MaxLength { get; }

    /// <summary>Whether a token sees only those before it.</summary>
    public virtual bool IsCausal => false;

    /// <summary>Target modules of LoRA where the user names none, as PEFT has them for this architecture.</summary>
    public abstract IReadOnlyList<string> DefaultTargets { get; }

    /// <summary>Last hidden states of the positions that <paramref name="rows"/> selects.</summary>
    /// <returns>[B, positions, hidden]</returns>
    public abstract Tensor Forward(Batch batch, RowSelection rows, ForwardContext context);

    /// <summary>What a training step costs besides weights and head; null where the model does not tell, as by default.</summary>
    /// <param name="shape">The batch.</param>
    /// <param name="context">The step, in training.</param>
    public virtual StepCost? Cost(BatchShape shape, ForwardContext context) => null;

    /// <summary>Refuses a checkpoint whose base lacks weights or holds others than the model reads.</summary>
    /// <exception cref="InvalidDataException">The names do not fit.</exception>
    public void CheckComplete() => Weights.CheckComplete(IsOptional);

    /// <summary>Weights of the base, named without its prefix, that only some heads read.</summary>
    protected abstract bool IsOptional(string name);

    public virtual Head CreateSequenceClassificationHead(int labels) => throw NoHead("sequence classification");

    public virtual Head CreateTokenClassificationHead(int labels) => throw NoHead("token classification");

    public virtual Head CreateMaskedLanguageModelHead() => throw NoHead("masked language modelling");

    public virtual Head CreateLanguageModelHead() => throw NoHead("causal language modelling");

    public void Dispose() => Weights.Dispose();

    /// <summary>The place of a classifier's weights. What the checkpoint brings there is left out if it has other classes.</summary>
    /// <param name="name">The module.</param>
    /// <param name="matrix">The matrix in it whose rows are the classes.</param>
    /// <param name="labels">How many classes there are to be.</param>
    protected WeightScope Classifier(string name, string matrix, int labels)
    {
        FolderClassifier = NewHead ? null : Weights.FindClassifier(name, matrix);
        if (FolderClassifier?.Classes != labels)
            Weights.StartAnew(name);
        return Weights.Root[name];
    }

    private NotSupportedException NoHead(string what) => new($"Architecture '{Config.ModelType}' has no head for {what}.");
}

/// <summary>The last step from hidden states to logits.</summary>
internal abstract class Head
{
    /// <summary>Weights outside the base, which train with the tuner.</summary>
    public abstract IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>Those of them whose rows are the task's classes; none by default.</summary>
    public virtual IReadOnlyList<Parameter> ClassRows => [];

    public abstract RowSelection Rows(Batch batch);

    /// <summary>Floats that a training step needs for the answer and its loss; by default too few to count.</summary>
    /// <param name="positions">Positions that are read, in all rows together.</param>
    /// <param name="context">The step.</param>
    public virtual long StepFloats(long positions, ForwardContext context) => 0;

    /// <param name="hidden">[B, positions, hidden], the rows that <see cref="Rows"/> asked for.</param>
    /// <param name="batch">The rows that they come from.</param>
    /// <param name="context">The call.</param>
    public abstract Tensor Forward(Tensor hidden, Batch batch, ForwardContext context);
}
