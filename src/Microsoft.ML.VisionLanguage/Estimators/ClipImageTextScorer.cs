using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.VisionLanguage.Tasks;

namespace Microsoft.ML.VisionLanguage;

/// <summary>Says how well a text fits a picture with CLIP as it is, row by row; fitting trains nothing.</summary>
/// <remarks>
/// | column | type |
/// |---|---|
/// | <c>Image</c> (input) | bytes of a file, the path of one, or an <c>MLImage</c> |
/// | <c>Text</c> (input) | text |
/// | <c>Score</c> | Single |
///
/// The transformer holds native memory and is <see cref="IDisposable"/>.
/// </remarks>
public sealed class ClipImageTextScorer : IEstimator<ITransformer>
{
    private readonly UntrainedModel _model;

    internal ClipImageTextScorer(PeftHost host, Options options)
    {
        options.Validate();
        var task = new ImageTextScoringTask
        {
            ImageColumnName = options.ImageColumnName,
            TextColumnName = options.TextColumnName,
            ScoreColumnName = options.ScoreColumnName,
            Similarity = options.Similarity,
            TruncateTexts = options.TruncateTexts,
            Pictures = options.Pictures,
        };
        _model = new UntrainedModel(host, options, task, options.MaxLength, adapterPath: null);
    }

    /// <inheritdoc/>
    public ITransformer Fit(IDataView input) => _model.Fit(input);

    /// <inheritdoc/>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema) => _model.GetOutputSchema(inputSchema);

    /// <summary>Settings of <see cref="ClipImageTextScorer"/>.</summary>
    public sealed class Options : ClipTextOptions
    {
        /// <summary>What pictures are allowed, and how they are read.</summary>
        public PictureOptions Pictures { get; set; } = new();

        /// <summary>The column of pictures: bytes, paths of files, or images.</summary>
        public string ImageColumnName { get; set; } = "Image";

        /// <summary>The column of texts.</summary>
        public string TextColumnName { get; set; } = "Text";

        /// <summary>The column of scores.</summary>
        public string ScoreColumnName { get; set; } = "Score";

        /// <summary>What a score is; the cosine by default.</summary>
        public ClipSimilarity Similarity { get; set; } = ClipSimilarity.Cosine;

        internal override void Validate()
        {
            base.Validate();
            if (!Enum.IsDefined(Similarity))
                throw new ArgumentOutOfRangeException(nameof(Similarity), Similarity, $"{nameof(Similarity)} is none of {string.Join(", ", Enum.GetNames<ClipSimilarity>())}.");
        }
    }
}
