using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>A task with its labels and tokenizer: all that training and scoring need of it.</summary>
internal abstract class TaskRuntime(PeftTask task, LabelSet labels, TextTokenizer tokenizer, int maxLength) : ITrainingObjective
{
    public PeftTask Task { get; } = task;

    public LabelSet Labels { get; } = labels;

    public TextTokenizer Tokenizer { get; } = tokenizer;

    public int MaxLength { get; } = maxLength;

    /// <summary>Names of the columns that scoring reads.</summary>
    public IReadOnlyList<string> InputColumns => [.. Task.Inputs.Select(column => column.Name)];

    /// <summary>Names of the columns that training reads as well.</summary>
    public IReadOnlyList<string> LabelColumns => [.. Task.Labels.Select(column => column.Name)];

    /// <summary>What whoever fits should know of the tokenizer and the model's folder; by default nothing.</summary>
    public virtual IEnumerable<string> Warnings => [];

    /// <summary>A reader over a row's getters; it gives null for a row that has no label, and counts it.</summary>
    public abstract Func<Example?> CreateReader(DataViewRow row, bool withLabels);

    public abstract Head CreateHead(PretrainedModel model);

    /// <summary>By default as they are.</summary>
    public virtual IReadOnlyList<Example> Prepare(IReadOnlyList<Example> examples, Random random) => examples;

    /// <summary>Rows as training takes them: a task may pack several into one. By default as they are.</summary>
    public virtual IReadOnlyList<Example> Pack(IReadOnlyList<Example> examples) => examples;

    /// <summary>By default the head's logits.</summary>
    public virtual Tensor Answer(Head head, Tensor hidden, Batch batch, ForwardContext context) => head.Forward(hidden, batch, context);

    /// <summary>By default cross-entropy over all labels.</summary>
    public virtual (Tensor Sum, long Count) Loss(Tensor answer, Batch batch) =>
        (Classification.CrossEntropySum(answer, batch.Labels!), batch.Examples.Sum(e => e.Classes.LongCount()));

    /// <summary>By default it is a sum over rows.</summary>
    public virtual bool LossNeedsWholeBatch => false;

    /// <inheritdoc/>
    public abstract ITaskMetrics CreateMetrics();

    /// <summary>The output columns, in order.</summary>
    public abstract IReadOnlyList<OutputColumn> Outputs { get; }

    /// <summary>One prediction a row, in managed memory.</summary>
    public abstract IReadOnlyList<object> Predict(Tensor answer, Batch batch);

    /// <summary>Runs the model on a batch, once; a task that generates runs it for every token.</summary>
    /// <param name="model">The model.</param>
    /// <param name="batch">The rows.</param>
    /// <param name="context">The call: which adapters answer.</param>
    public virtual IReadOnlyList<object> Score(TunedModel model, Batch batch, ForwardContext context)
    {
        using IDisposable? turn = context.Limit?.Enter();
        using Tensor hidden = model.Features(batch, context);
        return Predict(Answer(model.Head, hidden, batch, context), batch);
    }
}
