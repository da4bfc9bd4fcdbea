using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.VisionLanguage.Inputs;
using Microsoft.ML.VisionLanguage.Models;
using static TorchSharp.torch;
using TensorPrimitives = System.Numerics.Tensors.TensorPrimitives;

namespace Microsoft.ML.VisionLanguage.Tasks;

/// <summary>Says how well a text fits a picture, without training.</summary>
internal sealed class ImageTextScoringTask : PictureTask
{
    [NotLearnt]
    public required string TextColumnName { get; init; }

    [NotLearnt]
    public required string ScoreColumnName { get; init; }

    [NotLearnt]
    public required ClipSimilarity Similarity { get; init; }

    /// <summary>Whether longer texts are cut; else they are errors.</summary>
    [NotLearnt]
    public required bool TruncateTexts { get; init; }

    internal override IReadOnlyList<TaskColumn> Inputs => [Image, Text];

    private TextColumn Text => new(TextColumnName, "Text");

    internal override IEnumerable<SchemaShape.Column> OutputShape(SchemaShape schema) =>
        [SchemaShapes.Column(ScoreColumnName, SchemaShape.Column.VectorKind.Scalar, NumberDataViewType.Single)];

    internal override InputProcessor OpenProcessor(string folder, string? tokenizerFolder) => PictureProcessor.Load(folder, Pictures, tokenizerFolder ?? folder);

    internal override TaskRuntime Bind(LabelSet labels, InputProcessor processor, int maxLength) => new Runtime(this, processor, maxLength);

    private sealed class Runtime(ImageTextScoringTask task, InputProcessor processor, int maxLength)
        : UntrainedRuntime<float>(task, LabelSet.None, processor, maxLength)
    {
        private readonly TowerTexts _texts = new(processor.Tokenizer, maxLength, task.TruncateTexts);
        private IPairedTowers _towers = null!;

        public override Func<IReadOnlyList<Example>> CreateReader(DataViewRow row, bool withLabels)
        {
            Func<Example, Example?> picture = task.Image.Read(row, Processor, withLabels);
            Func<string> text = task.Text.Read(row);
            return OneEach(() => picture(_texts.Encode(text(), RowNames.Of(row, "text", task.TextColumnName))));
        }

        public override Head CreateHead(PretrainedModel model)
        {
            _towers = model.As<IPairedTowers>();
            return new TowersHead(normalizes: true);
        }

        public override IReadOnlyList<OutputColumn<float>> Outputs =>
            [OutputColumn<float>.Of(task.ScoreColumnName, NumberDataViewType.Single, score => score)];

        public override IReadOnlyList<float> Predict(Tensor answer, Batch batch)
        {
            using var scope = NewDisposeScope();
            float[] cosines = [.. Vectors.Of(answer.select(1, 0)).Zip(Vectors.Of(answer.select(1, 1)), (picture, text) => TensorPrimitives.Dot<float>(picture, text))];
            if (task.Similarity == ClipSimilarity.Cosine)
                return cosines;
            float scale = MathF.Exp(_towers.Scale.Value.item<float>()), bias = _towers.Bias?.Value.item<float>() ?? 0;
            return Array.ConvertAll(cosines, cosine => (cosine * scale) + bias);
        }
    }
}
