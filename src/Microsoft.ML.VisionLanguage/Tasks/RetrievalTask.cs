using System.Text.Json.Serialization;
using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.VisionLanguage.Inputs;
using Microsoft.ML.VisionLanguage.Models;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Tasks;

/// <summary>Finds what is nearest to a picture or a text in a gallery of vectors. The labels are the gallery's ids.</summary>
internal sealed class RetrievalTask : PeftTask
{
    private const string Module = "gallery";

    /// <summary>The name of the gallery's vectors among the model's weights.</summary>
    public const string GalleryVectors = $"{Module}.{GalleryHead.Weight}";

    /// <summary>What a query is.</summary>
    [NotLearnt]
    public required ClipModality Query { get; init; }

    [NotLearnt]
    public required string QueryColumnName { get; init; }

    [NotLearnt]
    public required string OutputColumnName { get; init; }

    [NotLearnt]
    public required string ScoreColumnName { get; init; }

    [NotLearnt]
    public required int TopK { get; init; }

    /// <summary>Whether longer texts are cut; else they are errors.</summary>
    [NotLearnt]
    public required bool TruncateTexts { get; init; }

    /// <summary>How pictures are read, which the processor keeps.</summary>
    [NotLearnt]
    [JsonIgnore]
    public PictureOptions Pictures { get; init; } = new();

    internal override IReadOnlyList<TaskColumn> Inputs => [Query == ClipModality.Image ? Image : Text];

    private PictureColumn Image => new(QueryColumnName);

    private TextColumn Text => new(QueryColumnName, "Text");

    internal override IEnumerable<SchemaShape.Column> OutputShape(SchemaShape schema) => OutputShape(TextDataViewType.Instance);

    /// <param name="id">The type of the gallery's ids.</param>
    public IEnumerable<SchemaShape.Column> OutputShape(DataViewType id) =>
    [
        SchemaShapes.Column(OutputColumnName, SchemaShape.Column.VectorKind.Vector, id),
        SchemaShapes.Column(ScoreColumnName, SchemaShape.Column.VectorKind.Vector, NumberDataViewType.Single),
    ];

    internal override InputProcessor OpenProcessor(string folder, string? tokenizerFolder) =>
        Query == ClipModality.Image ? PictureProcessor.Load(folder, Pictures) : base.OpenProcessor(folder, tokenizerFolder);

    internal override TaskRuntime Bind(LabelSet labels, InputProcessor processor, int maxLength) => new Runtime(this, labels, processor, maxLength);

    /// <summary>Places in the gallery with their cosines, the nearest first; none, and NaN, for a query that is missing.</summary>
    private sealed record Found(int[] Places, float[] Scores);

    private sealed class Runtime(RetrievalTask task, LabelSet ids, InputProcessor processor, int maxLength)
        : UntrainedRuntime<Found>(task, ids, processor, maxLength)
    {
        private GalleryHead _gallery = null!;

        public override Func<IReadOnlyList<Example>> CreateReader(DataViewRow row, bool withLabels) =>
            OneEach(task.Query == ClipModality.Image ? ReadPicture(row, withLabels) : ReadText(row));

        public override Head CreateHead(PretrainedModel model) =>
            _gallery = new GalleryHead(model.Weights.Root[Module].Load(GalleryHead.Weight, Init.Zeros, Labels.Count, model.As<IPairedTowers>().Width));

        public override IReadOnlyList<OutputColumn<Found>> Outputs =>
        [
            Peft.Generic.Invoke<OutputColumn<Found>>(IdColumn<int>, Labels.Type.RawType, task.OutputColumnName, Labels, Count),
            OutputColumn<Found>.Vector(task.ScoreColumnName, new VectorDataViewType(NumberDataViewType.Single, Count), found => found.Scores),
        ];

        public override IReadOnlyList<Found> Predict(Tensor answer, Batch batch) =>
            [.. _gallery.Cosines(Vectors.Of(answer)).Select(cosines =>
            {
                int[] places = Ranking.Top(cosines, Count);
                return new Found(places, Ranking.Values(places, Count, place => cosines[place], missing: float.NaN));
            })];

        private int Count => Math.Min(task.TopK, Labels.Count);

        private Func<Example?> ReadPicture(DataViewRow row, bool withLabels)
        {
            Func<Example, Example?> picture = task.Image.Read(row, Processor, withLabels);
            return () => picture(new Example());
        }

        private Func<Example> ReadText(DataViewRow row)
        {
            var texts = new TowerTexts(Tokenizer, MaxLength, task.TruncateTexts);
            Func<string> text = task.Text.Read(row);
            return () => texts.Encode(text(), RowNames.Of(row, "text", task.QueryColumnName));
        }

        private static OutputColumn<Found> IdColumn<T>(string name, LabelSet ids, int count)
        {
            T[] values = ids.Values<T>();
            return OutputColumn<Found>.Vector(name, new VectorDataViewType(ids.Type, count), found => Ranking.Values(found.Places, count, place => values[place], missing: default!));
        }
    }
}
