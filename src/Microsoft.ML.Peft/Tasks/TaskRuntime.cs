using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>A task with its labels and what makes its inputs: all that training needs of it.</summary>
/// <param name="task">The task.</param>
/// <param name="labels">What it chooses among; none for a task without classes.</param>
/// <param name="processor">What makes the model's inputs.</param>
/// <param name="maxLength">Tokens of a text at most.</param>
internal abstract class TaskRuntime(PeftTask task, LabelSet labels, InputProcessor processor, int maxLength) : ITrainingObjective
{
    public PeftTask Task { get; } = task;

    public LabelSet Labels { get; } = labels;

    public InputProcessor Processor { get; } = processor;

    /// <inheritdoc cref="InputProcessor.Tokenizer"/>
    public TextTokenizer Tokenizer => Processor.Tokenizer;

    public int MaxLength { get; } = maxLength;

    /// <summary>Names of the columns that scoring reads of data that has these.</summary>
    public IReadOnlyList<string> InputColumns(DataViewSchema schema) =>
        [.. Task.Inputs.Concat(Task.OptionalInputs.Where(column => schema.GetColumnOrNull(column.Name) is not null)).Select(column => column.Name)];

    /// <summary>Names of the columns that training reads as well.</summary>
    public IReadOnlyList<string> LabelColumns => [.. Task.Labels.Select(column => column.Name)];

    /// <summary>How many virtual tokens its rows keep places for, which a tuner has to fill; none by default.</summary>
    public virtual int VirtualTokens => 0;

    /// <summary>What whoever fits should know of the tokenizer and the model's folder; by default nothing.</summary>
    public virtual IEnumerable<string> Warnings => [];

    /// <summary>Label columns with the labels that they may have and how many of them rows have; by default the task's.</summary>
    public virtual IEnumerable<(IReadOnlyList<string> Columns, LabelSet Labels, int Seen)> LabelsIn(RowSet rows) => [(LabelColumns, Labels, rows.DistinctLabels)];

    /// <summary>What whoever fits should know of the rows to train on; by default nothing.</summary>
    public virtual IEnumerable<string> NotesOn(IReadOnlyList<Example> rows) => [];

    /// <summary>
    /// A reader over a row's getters: what the model sees of the row, at once or one after the other (windows of a long text). With labels,
    /// nothing for a row that has none, and <see cref="Example.CutOff"/> for one whose length leaves nothing to learn.
    /// </summary>
    public abstract Func<IReadOnlyList<Example>> CreateReader(DataViewRow row, bool withLabels);

    public abstract Head CreateHead(PretrainedModel model);

    /// <summary>By default as they are.</summary>
    public virtual IReadOnlyList<Example> Prepare(IReadOnlyList<Example> examples, Random random) => examples;

    /// <summary>Rows as training takes them: a task may pack several into one. By default as they are.</summary>
    public virtual IReadOnlyList<Example> Pack(IReadOnlyList<Example> examples) => examples;

    /// <summary>Works out what follows from the weights once they are trained, and is kept with them; by default nothing.</summary>
    public virtual void Conclude(TunedModel model) { }

    /// <summary>By default all rows are of one group.</summary>
    public virtual int GroupOf(Example example) => 0;

    /// <summary>By default the head's logits.</summary>
    public virtual Tensor Answer(Head head, Tensor hidden, Batch batch, ForwardContext context) => head.Forward(hidden, batch, context);

    /// <summary>By default cross-entropy over all labels.</summary>
    public virtual (Tensor Sum, long Count) Loss(Tensor answer, Batch batch) =>
        (Classification.CrossEntropySum(answer, batch.Labels!), batch.Examples.Sum(e => e.Classes.LongCount()));

    /// <summary>By default it is a sum over rows.</summary>
    public virtual bool LossNeedsWholeBatch => false;

    /// <summary>By default it may read anything.</summary>
    public virtual bool LossReadsAnswersAlone => false;

    /// <inheritdoc/>
    public abstract ITaskMetrics CreateMetrics();

    /// <summary>Hands the task over as one of its type of predictions.</summary>
    public abstract TResult Use<TResult>(ITaskUse<TResult> use);

    /// <summary>A reader that gives one example a row, and none for null.</summary>
    protected static Func<IReadOnlyList<Example>> OneEach(Func<Example?> read) => () => read() is { } example ? [example] : [];
}

/// <summary>A task that predicts: all that scoring needs of it too.</summary>
/// <typeparam name="TPrediction">What it says of a row, in managed memory.</typeparam>
/// <inheritdoc cref="TaskRuntime(PeftTask, LabelSet, InputProcessor, int)"/>
internal abstract class TaskRuntime<TPrediction>(PeftTask task, LabelSet labels, InputProcessor processor, int maxLength)
    : TaskRuntime(task, labels, processor, maxLength)
{
    /// <summary>The output columns, in order.</summary>
    public abstract IReadOnlyList<OutputColumn<TPrediction>> Outputs { get; }

    /// <summary>One prediction for each example.</summary>
    public abstract IReadOnlyList<TPrediction> Predict(Tensor answer, Batch batch);

    /// <summary>The prediction of a row from those of its examples, in their order; only a task whose reader gives several has to say.</summary>
    public virtual TPrediction Join(IReadOnlyList<TPrediction> parts) =>
        throw new NotSupportedException($"Task '{Task.Key}' gave {parts.Count} examples for a row, and does not say how their predictions join.");

    /// <summary>Runs the model on a batch, once; a task that generates runs it for every token.</summary>
    /// <param name="model">The model.</param>
    /// <param name="batch">The examples.</param>
    /// <param name="context">The call: which adapters answer.</param>
    public virtual IReadOnlyList<TPrediction> Score(TunedModel model, Batch batch, ForwardContext context)
    {
        using IDisposable? turn = context.Limit?.Enter();
        using Tensor hidden = model.Features(batch, context);
        return Predict(Answer(model.Head, hidden, batch, context), batch);
    }

    public override TResult Use<TResult>(ITaskUse<TResult> use) => use.Of(this);
}

/// <summary>A task of a model as it is: nothing is trained.</summary>
internal abstract class UntrainedRuntime<TPrediction>(PeftTask task, LabelSet labels, InputProcessor processor, int maxLength)
    : TaskRuntime<TPrediction>(task, labels, processor, maxLength)
{
    /// <exception cref="NotSupportedException">Always.</exception>
    public sealed override (Tensor Sum, long Count) Loss(Tensor answer, Batch batch) => throw NotTrained("loss");

    /// <exception cref="NotSupportedException">Always.</exception>
    public sealed override ITaskMetrics CreateMetrics() => throw NotTrained("metrics");

    private NotSupportedException NotTrained(string what) => new($"Task '{Task.Key}' has no {what}: it is not trained.");
}

/// <summary>What is made of a task, whatever the type of its predictions.</summary>
internal interface ITaskUse<TResult>
{
    TResult Of<TPrediction>(TaskRuntime<TPrediction> task);
}
