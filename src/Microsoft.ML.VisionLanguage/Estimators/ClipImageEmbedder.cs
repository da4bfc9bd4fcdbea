using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.VisionLanguage.Tasks;

namespace Microsoft.ML.VisionLanguage;

/// <summary>Turns pictures into vectors with CLIP as it is; fitting trains nothing.</summary>
/// <remarks>
/// A picture is the bytes of a JPEG, PNG, GIF, BMP or WebP file, the path of one, or an <c>MLImage</c>. The transformer holds native memory and is <see cref="IDisposable"/>.
/// </remarks>
public sealed class ClipImageEmbedder : IEstimator<ITransformer>
{
    private readonly UntrainedModel _model;

    internal ClipImageEmbedder(PeftHost host, Options options)
    {
        options.Validate();
        var task = new PictureEmbeddingTask { ImageColumnName = options.ImageColumnName, OutputColumnName = options.OutputColumnName, Normalize = options.Normalize, Pictures = options.Pictures };
        _model = new UntrainedModel(host, options, task, maxLength: null, adapterPath: null);
    }

    /// <inheritdoc/>
    public ITransformer Fit(IDataView input) => _model.Fit(input);

    /// <inheritdoc/>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema) => _model.GetOutputSchema(inputSchema);

    /// <summary>The transformer without data, for who has no rows.</summary>
    internal PeftTransformer Open() => _model.Open();

    /// <summary>Settings of <see cref="ClipImageEmbedder"/>.</summary>
    public sealed class Options : ModelOptions
    {
        /// <summary>The column of pictures: bytes, paths of files, or images.</summary>
        public string ImageColumnName { get; set; } = "Image";

        /// <summary>The column of vectors.</summary>
        public string OutputColumnName { get; set; } = "Embedding";

        /// <summary>Whether vectors get length 1; true by default.</summary>
        public bool Normalize { get; set; } = true;

        /// <summary>What pictures are allowed, and how they are read.</summary>
        public PictureOptions Pictures { get; set; } = new();

        internal override bool ReadsTexts => false;
    }
}
