using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.VisionLanguage.Inputs;
using Microsoft.ML.VisionLanguage.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Tasks;

/// <summary>Tells the class of a picture by what is said of the classes (Radford et al. 2021), without training.</summary>
internal sealed class ZeroShotTask : PictureTask
{
    private const string Module = "zero_shot";

    /// <summary>The name of the classes' vectors among the model's weights.</summary>
    public const string ClassVectors = $"{Module}.{ClassVectorsHead.Weight}";

    [NotLearnt]
    public required string OutputColumnName { get; init; }

    [NotLearnt]
    public required string ScoreColumnName { get; init; }

    /// <summary>How many of the likeliest labels have columns of their own; null for no such columns.</summary>
    [NotLearnt]
    public int? TopK { get; init; }

    [NotLearnt]
    public required string TopLabelsColumnName { get; init; }

    [NotLearnt]
    public required string TopScoresColumnName { get; init; }

    /// <summary>The column that the labels' type comes from; null for text.</summary>
    [NotLearnt]
    public string? LabelColumnName { get; init; }

    internal override IReadOnlyList<TaskColumn> Inputs => [Image];

    internal override IEnumerable<SchemaShape.Column> OutputShape(SchemaShape schema)
    {
        string label = LabelColumnName ?? "";
        yield return SchemaShapes.PredictedKey(OutputColumnName, schema, label);
        yield return SchemaShapes.Scores(ScoreColumnName, schema, label);
        if (TopK is null)
            yield break;
        yield return SchemaShapes.Keys(TopLabelsColumnName, schema, label);
        yield return SchemaShapes.Column(TopScoresColumnName, SchemaShape.Column.VectorKind.Vector, NumberDataViewType.Single);
    }

    internal override InputProcessor OpenProcessor(string folder, string? tokenizerFolder) => PictureProcessor.Load(folder, Pictures);

    internal override TaskRuntime Bind(LabelSet labels, InputProcessor processor, int maxLength) => new Runtime(this, labels, processor, maxLength);

    private sealed class Runtime(ZeroShotTask task, LabelSet labels, InputProcessor processor, int maxLength)
        : UntrainedRuntime<float[]>(task, labels, processor, maxLength)
    {
        public override Func<IReadOnlyList<Example>> CreateReader(DataViewRow row, bool withLabels)
        {
            Func<Example, Example?> picture = task.Image.Read(row, Processor, withLabels);
            return OneEach(() => picture(new Example()));
        }

        public override Head CreateHead(PretrainedModel model)
        {
            var towers = model.As<IPairedTowers>();
            return new ClassVectorsHead(model.Weights.Root[Module].Load(ClassVectorsHead.Weight, Init.Zeros, Labels.Count, towers.Width), towers.Scale);
        }

        public override IReadOnlyList<OutputColumn<float[]>> Outputs =>
            [.. Classification.Outputs(task.OutputColumnName, task.ScoreColumnName, Labels), .. task.TopK is { } wanted ? Top(Math.Min(wanted, Labels.Count)) : []];

        public override IReadOnlyList<float[]> Predict(Tensor answer, Batch batch) => [.. Classification.Probabilities(answer).Chunk(Labels.Count)];

        private IEnumerable<OutputColumn<float[]>> Top(int count) =>
        [
            OutputColumn<float[]>.Vector(
                task.TopLabelsColumnName, new VectorDataViewType(new KeyDataViewType(typeof(uint), Labels.Count), count),
                scores => Ranking.Values(Ranking.Top(scores, count), count, place => (uint)place + 1, missing: 0u), Classification.KeyAnnotations(Labels)),
            OutputColumn<float[]>.Vector(
                task.TopScoresColumnName, new VectorDataViewType(NumberDataViewType.Single, count),
                scores => Ranking.Values(Ranking.Top(scores, count), count, place => scores[place], missing: float.NaN)),
        ];
    }
}

/// <summary>A linear classifier of pictures whose rows are vectors of texts, and whose logits are scaled cosines.</summary>
/// <param name="classes">[classes, width], of length 1.</param>
/// <param name="scale">The logarithm of what cosines are multiplied with.</param>
internal sealed class ClassVectorsHead(Parameter classes, Parameter scale) : Head
{
    public const string Weight = "weight";

    public override IReadOnlyList<Parameter> Parameters => [classes];

    public override IReadOnlyList<Parameter> ClassRows => [classes];

    /// <param name="hidden">[B, 1, width]</param>
    /// <param name="batch">The pictures.</param>
    /// <param name="context">The call.</param>
    /// <returns>[B, classes]</returns>
    public override Tensor Forward(Tensor hidden, Batch batch, ForwardContext context)
    {
        using var scope = NewDisposeScope();
        Tensor pictures = nn.functional.normalize(hidden.squeeze(1).to(classes.Value.dtype), 2, -1, 1e-12);
        return ContrastiveLoss.Logits(pictures, classes.Value, scale.Value).MoveToOuterDisposeScope();
    }
}
