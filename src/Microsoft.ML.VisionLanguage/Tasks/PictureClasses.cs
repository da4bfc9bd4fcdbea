using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Tasks;

/// <summary>What tasks share that tell one class of a picture: they differ in the head.</summary>
internal abstract class PictureClasses : PictureTask
{
    [NotLearnt]
    public required string LabelColumnName { get; init; }

    [NotLearnt]
    public required string OutputColumnName { get; init; }

    [NotLearnt]
    public required string ScoreColumnName { get; init; }

    internal override IReadOnlyList<TaskColumn> Inputs => [Image];

    internal override IReadOnlyList<TaskColumn> Labels => [Label];

    private KeyColumn Label => new(LabelColumnName);

    internal override IEnumerable<SchemaShape.Column> OutputShape(SchemaShape schema) =>
    [
        SchemaShapes.PredictedKey(OutputColumnName, schema, LabelColumnName),
        SchemaShapes.Scores(ScoreColumnName, schema, LabelColumnName),
    ];

    /// <summary>The task with its labels, without the head.</summary>
    protected abstract class Runtime(PictureClasses task, LabelSet labels, InputProcessor processor, int maxLength)
        : TaskRuntime<float[]>(task, labels, processor, maxLength)
    {
        public override Func<IReadOnlyList<Example>> CreateReader(DataViewRow row, bool withLabels)
        {
            Func<Example, Example?> picture = task.Image.Read(row, Processor, withLabels);
            Func<int>? label = withLabels ? task.Label.Read(row, Labels) : null;
            return OneEach(() => label?.Invoke() is var index && index is < 0 ? null : picture(new Example { Label = index }));
        }

        public override ITaskMetrics CreateMetrics() => new ClassificationMetrics(Labels.Count);

        public override IReadOnlyList<OutputColumn<float[]>> Outputs => Classification.Outputs(task.OutputColumnName, task.ScoreColumnName, Labels);

        public override IReadOnlyList<float[]> Predict(Tensor logits, Batch batch) => [.. Classification.Probabilities(logits).Chunk(Labels.Count)];
    }
}
