using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.VisionLanguage.Tasks;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage;

/// <summary>Looks for pictures by texts, for texts by pictures, or for either by its like, with CLIP as it is.</summary>
/// <remarks>
/// It is fitted on the gallery: each row's picture or text becomes a vector, which is kept with the row's id, in memory and in a saved model.
/// The transformer takes queries, and compares each with all of the gallery.
///
/// | column | type |
/// |---|---|
/// | <c>Image</c> or <c>Text</c> of the gallery, and <c>Id</c> (for the fit) | a picture or a text; text or a number, different in each row |
/// | <c>Image</c> or <c>Text</c> of the queries (input) | a picture or a text |
/// | <c>Ids</c> | vector of the ids' type: the nearest, the nearest first |
/// | <c>Scores</c> | vector of Single: their cosines |
///
/// The transformer holds native memory and is <see cref="IDisposable"/>.
/// </remarks>
public sealed class ClipRetriever : IEstimator<ITransformer>
{
    private const string VectorName = "ClipRetriever.Vector";

    private readonly PeftHost _host;
    private readonly Options _options;
    private readonly IdColumn _ids;
    private readonly RetrievalTask _task;

    internal ClipRetriever(PeftHost host, Options options)
    {
        options.Validate();
        (_host, _options, _ids) = (host, options, new IdColumn(options.IdColumnName));
        _task = new RetrievalTask
        {
            Query = options.Query,
            QueryColumnName = options.ColumnOf(options.Query),
            OutputColumnName = options.OutputColumnName,
            ScoreColumnName = options.ScoreColumnName,
            TopK = options.TopK,
            TruncateTexts = options.TruncateTexts,
            Pictures = options.Pictures,
        };
        _task.CheckOutputNames(new SchemaShape([]));
    }

    /// <summary>Reads the gallery.</summary>
    /// <param name="input">The gallery: pictures or texts with their ids.</param>
    /// <returns>The transformer of queries.</returns>
    /// <exception cref="ArgumentException">A column is missing or of another type, an id is missing or there twice, or there is no row.</exception>
    public ITransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        _ids.Check(SchemaShapes.Of(input.Schema));
        ITransformer embedder = Gallery().Fit(input);
        using var _ = (IDisposable)embedder;
        var (ids, vectors) = Read(embedder.Transform(input));
        using HeldTensors gallery = vectors;
        _host.Info($"The gallery has {ids.Count} rows.");
        return new UntrainedModel(_host, _options, _task, _options.MaxLength, adapterPath: null) { Labels = ids, HeadWeights = gallery }.Open();
    }

    /// <summary>The columns after the transformer, for a gallery that has the queries' column too.</summary>
    /// <param name="inputSchema">The columns before.</param>
    /// <returns>These and the retriever's.</returns>
    /// <exception cref="ArgumentException">A column is missing or of another type.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        _ids.Check(inputSchema);
        _task.CheckScoringSchema(inputSchema);
        Gallery().GetOutputSchema(inputSchema);
        return SchemaShapes.Append(inputSchema, _task.OutputShape(_ids.TypeIn(inputSchema)));
    }

    private IEstimator<ITransformer> Gallery() => _options.Gallery == ClipModality.Image
        ? new ClipImageEmbedder(_host, _options.WithSameModel(new ClipImageEmbedder.Options { ImageColumnName = _options.ImageColumnName, OutputColumnName = VectorName, Pictures = _options.Pictures }))
        : new ClipTextEmbedder(_host, _options.WithSameModel(new ClipTextEmbedder.Options
        {
            TextColumnName = _options.TextColumnName,
            OutputColumnName = VectorName,
            TruncateTexts = _options.TruncateTexts,
        }));

    private (LabelSet Ids, HeldTensors Vectors) Read(IDataView embedded)
    {
        DataViewSchema.Column column = embedded.Schema[VectorName];
        using DataViewRowCursor cursor = embedded.GetRowCursor([column, embedded.Schema[_ids.Name]]);
        var getter = cursor.GetGetter<VBuffer<float>>(column);
        Func<string> id = _ids.Read(cursor);
        var ids = new List<string>();
        var numbers = new List<float>();
        long missing = 0;
        for (VBuffer<float> vector = default; cursor.MoveNext();)
        {
            if (_host.IsCanceled)
                throw new OperationCanceledException("The context's execution was cancelled.");
            getter(ref vector);
            if (float.IsNaN(vector.GetItemOrDefault(0)))
            {
                missing++;
                continue;
            }
            numbers.AddRange(vector.DenseValues());
            ids.Add(id());
        }
        if (missing > 0)
            _host.Warning($"{missing} rows of the gallery have no picture that can be read, and are left out.");
        LabelSet different = _ids.Different(embedded.Schema, ids);
        return (different, new HeldTensors("The gallery's vectors", new Dictionary<string, Tensor> { [RetrievalTask.GalleryVectors] = Matrix(numbers, ids.Count) }));
    }

    private static Tensor Matrix(List<float> numbers, int rows) =>
        tensor(numbers.ToArray(), [rows, numbers.Count / rows], ScalarType.Float32, CPU).DetachFromDisposeScope();

    /// <summary>Settings of <see cref="ClipRetriever"/>.</summary>
    public sealed class Options : ClipTextOptions
    {
        /// <summary>What pictures are allowed, and how they are read.</summary>
        public PictureOptions Pictures { get; set; } = new();

        /// <summary>What is looked among; pictures by default.</summary>
        public ClipModality Gallery { get; set; } = ClipModality.Image;

        /// <summary>What is looked for by; texts by default.</summary>
        public ClipModality Query { get; set; } = ClipModality.Text;

        /// <summary>The column of pictures, of the gallery's or of the queries: bytes, paths of files, or images.</summary>
        public string ImageColumnName { get; set; } = "Image";

        /// <summary>The column of texts, of the gallery's or of the queries.</summary>
        public string TextColumnName { get; set; } = "Text";

        /// <summary>The gallery's ids: text or a number, none twice.</summary>
        public string IdColumnName { get; set; } = "Id";

        /// <summary>How many of the nearest a query gets, as far as the gallery has so many; 10 by default.</summary>
        public int TopK { get; set; } = 10;

        /// <summary>The column of the nearest rows' ids.</summary>
        public string OutputColumnName { get; set; } = "Ids";

        /// <summary>The column of their cosines.</summary>
        public string ScoreColumnName { get; set; } = "Scores";

        internal override bool ReadsTexts => Gallery == ClipModality.Text || Query == ClipModality.Text;

        internal string ColumnOf(ClipModality modality) => modality == ClipModality.Image ? ImageColumnName : TextColumnName;

        internal override void Validate()
        {
            base.Validate();
            ArgumentOutOfRangeException.ThrowIfLessThan(TopK, 1);
            ArgumentException.ThrowIfNullOrWhiteSpace(IdColumnName);
            foreach (ClipModality modality in new[] { Gallery, Query })
            {
                if (!Enum.IsDefined(modality))
                    throw new ArgumentOutOfRangeException(nameof(Gallery), modality, $"A modality is none of {string.Join(", ", Enum.GetNames<ClipModality>())}.");
            }
        }
    }
}
