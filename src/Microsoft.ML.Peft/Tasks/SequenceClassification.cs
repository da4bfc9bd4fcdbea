using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Training;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>One label for a text or a pair.</summary>
internal abstract class SequenceClassificationTask : PeftTask
{
    [NotLearnt]
    public required string Sentence1ColumnName { get; init; }

    [NotLearnt]
    public required string? Sentence2ColumnName { get; init; }

    [NotLearnt]
    public required string LabelColumnName { get; init; }

    [NotLearnt]
    public required string OutputColumnName { get; init; }

    [NotLearnt]
    public required string ScoreColumnName { get; init; }

    internal override string PeftTaskType => "SEQ_CLS";

    internal override string HeadKind => "ForSequenceClassification";

    internal TextColumn Sentence1 => new(Sentence1ColumnName, "Sentence 1");

    internal TextColumn? Sentence2 => Sentence2ColumnName is { } name ? new(name, "Sentence 2") : null;

    internal override IReadOnlyList<TaskColumn> Inputs => Sentence2 is { } second ? [Sentence1, second] : [Sentence1];
}

/// <summary>Sequence classification over columns and labels.</summary>
/// <typeparam name="TPrediction">What a row is predicted.</typeparam>
internal abstract class SequenceClassificationRuntime<TPrediction>(
    SequenceClassificationTask task, LabelSet labels, InputProcessor processor, int maxLength) : TaskRuntime<TPrediction>(task, labels, processor, maxLength)
{
    public override Func<IReadOnlyList<Example>> CreateReader(DataViewRow row, bool withLabels) =>
        OneEach(Classification.ReadTexts(this, row, task.Sentence1, task.Sentence2, withLabels ? ReadLabel(row) : null));

    public override Head CreateHead(PretrainedModel model) =>
        Classification.CreateHead(model, Labels, model.As<ISequenceClassifier>().CreateSequenceClassificationHead);

    public override ITaskMetrics CreateMetrics() => new ClassificationMetrics(Labels.Count);

    /// <summary>Gives the index of a row's label.</summary>
    protected abstract Func<int> ReadLabel(DataViewRow row);
}
