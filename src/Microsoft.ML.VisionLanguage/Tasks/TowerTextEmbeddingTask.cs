using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.VisionLanguage.Models;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Tasks;

/// <summary>Turns a text into a vector in the space of pictures, without training.</summary>
internal sealed class TowerTextEmbeddingTask : PeftTask
{
    [NotLearnt]
    public required string TextColumnName { get; init; }

    [NotLearnt]
    public required string OutputColumnName { get; init; }

    /// <summary>Whether vectors get length 1.</summary>
    [NotLearnt]
    public required bool Normalize { get; init; }

    /// <summary>Whether longer texts are cut; else they are errors.</summary>
    [NotLearnt]
    public required bool TruncateTexts { get; init; }

    internal override string PeftTaskType => "FEATURE_EXTRACTION";

    internal override IReadOnlyList<TaskColumn> Inputs => [Text];

    private TextColumn Text => new(TextColumnName, "Text");

    internal override IEnumerable<SchemaShape.Column> OutputShape(SchemaShape schema) =>
        [SchemaShapes.Column(OutputColumnName, SchemaShape.Column.VectorKind.Vector, NumberDataViewType.Single)];

    internal override TaskRuntime Bind(LabelSet labels, InputProcessor processor, int maxLength) => new Runtime(this, processor, maxLength);

    private sealed class Runtime(TowerTextEmbeddingTask task, InputProcessor processor, int maxLength)
        : UntrainedRuntime<float[]>(task, LabelSet.None, processor, maxLength), IEmbeds<string>
    {
        private readonly TowerTexts _texts = new(processor.Tokenizer, maxLength, task.TruncateTexts);

        public int Width { get; private set; }

        public Example Encode(string input, string name) => _texts.Encode(input, name);

        public override Func<IReadOnlyList<Example>> CreateReader(DataViewRow row, bool withLabels)
        {
            Func<string> text = task.Text.Read(row);
            return () => [Encode(text(), RowNames.Of(row, "text", task.TextColumnName))];
        }

        public override Head CreateHead(PretrainedModel model)
        {
            Width = model.As<IPairedTowers>().Width;
            return new TowersHead(task.Normalize);
        }

        public override IReadOnlyList<OutputColumn<float[]>> Outputs =>
            [OutputColumn<float[]>.Vector(task.OutputColumnName, new VectorDataViewType(NumberDataViewType.Single, Width), vector => vector)];

        public override IReadOnlyList<float[]> Predict(Tensor answer, Batch batch) => Vectors.Of(answer);
    }
}
