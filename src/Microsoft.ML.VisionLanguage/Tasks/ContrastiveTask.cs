using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.VisionLanguage.Inputs;
using Microsoft.ML.VisionLanguage.Models;
using static TorchSharp.torch;
using TensorPrimitives = System.Numerics.Tensors.TensorPrimitives;

namespace Microsoft.ML.VisionLanguage.Tasks;

/// <summary>Pairs of a picture and a text that belong together: vectors of both, and how near they are (Radford et al. 2021).</summary>
internal sealed class ContrastiveTask : PictureTask
{
    /// <summary>What cosines are multiplied with at most, as in the paper.</summary>
    private const double LargestScale = 100;

    [NotLearnt]
    public required string TextColumnName { get; init; }

    [NotLearnt]
    public required string ImageEmbeddingColumnName { get; init; }

    [NotLearnt]
    public required string TextEmbeddingColumnName { get; init; }

    [NotLearnt]
    public required string ScoreColumnName { get; init; }

    /// <summary>Whether rows of a batch with the same text are no negatives of each other.</summary>
    public bool MaskSameTexts { get; init; } = true;

    internal override IReadOnlyList<TaskColumn> Inputs => [Image, Text];

    private TextColumn Text => new(TextColumnName, "Text");

    internal override IEnumerable<SchemaShape.Column> OutputShape(SchemaShape schema) =>
    [
        SchemaShapes.Column(ImageEmbeddingColumnName, SchemaShape.Column.VectorKind.Vector, NumberDataViewType.Single),
        SchemaShapes.Column(TextEmbeddingColumnName, SchemaShape.Column.VectorKind.Vector, NumberDataViewType.Single),
        SchemaShapes.Column(ScoreColumnName, SchemaShape.Column.VectorKind.Scalar, NumberDataViewType.Single),
    ];

    internal override InputProcessor OpenProcessor(string folder, string? tokenizerFolder) => PictureProcessor.Load(folder, Pictures, tokenizerFolder ?? folder);

    internal override TaskRuntime Bind(LabelSet labels, InputProcessor processor, int maxLength) => new Runtime(this, processor, maxLength);

    /// <summary>The vectors of a pair.</summary>
    private sealed record Pair(float[] Picture, float[] Text);

    private sealed class Runtime(ContrastiveTask task, InputProcessor processor, int maxLength)
        : TaskRuntime<Pair>(task, LabelSet.None, processor, maxLength), ITrainingParticipant
    {
        private IPairedTowers _towers = null!;

        public override bool LossNeedsWholeBatch => true;

        public override bool LossReadsAnswersAlone => true;

        public override IEnumerable<string> NotesOn(IReadOnlyList<Example> rows)
        {
            if (task.MaskSameTexts && Captions.CountShared(rows) is > 0 and var shared)
                yield return $"{shared} of {rows.Count} rows have the text of another row: where such rows meet in a batch, they are no negatives of each other.";
        }

        public override Func<IReadOnlyList<Example>> CreateReader(DataViewRow row, bool withLabels)
        {
            Func<Example, Example?> picture = task.Image.Read(row, Processor, withLabels);
            Func<string> text = task.Text.Read(row);
            // A fit counts the texts that are cut, and warns.
            var texts = new TowerTexts(Tokenizer, MaxLength, truncates: true);
            return OneEach(() => picture(texts.Encode(text(), $"Row {row.Position}")));
        }

        public override Head CreateHead(PretrainedModel model)
        {
            _towers = model.As<IPairedTowers>();
            return new TowersHead(normalizes: true);
        }

        public override (Tensor Sum, long Count) Loss(Tensor answer, Batch batch)
        {
            using var scope = NewDisposeScope();
            Tensor logits = ContrastiveLoss.Logits(answer.select(1, 0), answer.select(1, 1), _towers.Scale.Value, _towers.Bias?.Value);
            Tensor? alike = task.MaskSameTexts ? Captions.Alike(batch.Examples, answer.device) : null;
            Tensor mean = _towers.Bias is null ? ContrastiveLoss.Softmax(logits, alike) : ContrastiveLoss.Sigmoid(logits, alike);
            return ((mean * answer.size(0)).MoveToOuterDisposeScope(), answer.size(0));
        }

        // CLIP's temperature must not leave the paper's bounds; SigLIP's has none.
        public void AfterStep(int step, int totalSteps)
        {
            if (_towers.Bias is null && _towers.Scale.Value.requires_grad)
                _towers.Scale.Value.clamp_(max: Math.Log(LargestScale));
        }

        public override ITaskMetrics CreateMetrics() => new PairMetrics();

        public override IReadOnlyList<OutputColumn<Pair>> Outputs
        {
            get
            {
                var vector = new VectorDataViewType(NumberDataViewType.Single, _towers.Width);
                return
                [
                    OutputColumn<Pair>.Vector(task.ImageEmbeddingColumnName, vector, pair => pair.Picture),
                    OutputColumn<Pair>.Vector(task.TextEmbeddingColumnName, vector, pair => pair.Text),
                    OutputColumn<Pair>.Of(task.ScoreColumnName, NumberDataViewType.Single, pair => TensorPrimitives.Dot<float>(pair.Picture, pair.Text)),
                ];
            }
        }

        public override IReadOnlyList<Pair> Predict(Tensor answer, Batch batch)
        {
            using var scope = NewDisposeScope();
            return [.. Vectors.Of(answer.select(1, 0)).Zip(Vectors.Of(answer.select(1, 1)), (picture, text) => new Pair(picture, text))];
        }
    }
}
