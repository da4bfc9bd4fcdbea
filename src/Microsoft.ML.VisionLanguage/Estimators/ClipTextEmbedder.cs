using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.VisionLanguage.Tasks;

namespace Microsoft.ML.VisionLanguage;

/// <summary>Turns texts into vectors with CLIP as it is, in the space in which <see cref="ClipImageEmbedder"/> puts pictures; fitting trains nothing.</summary>
/// <remarks>
/// | input | output |
/// |---|---|
/// | text | vector of Single, of the width of the model's space (512 for ViT-B/32), of length 1 |
///
/// The transformer holds native memory and is <see cref="IDisposable"/>.
/// </remarks>
public sealed class ClipTextEmbedder : IEstimator<ITransformer>
{
    private readonly UntrainedModel _model;

    internal ClipTextEmbedder(PeftHost host, Options options)
    {
        options.Validate();
        var task = new TowerTextEmbeddingTask
        {
            TextColumnName = options.TextColumnName,
            OutputColumnName = options.OutputColumnName,
            Normalize = options.Normalize,
            TruncateTexts = options.TruncateTexts,
        };
        _model = new UntrainedModel(host, options, task, options.MaxLength, adapterPath: null);
    }

    /// <inheritdoc/>
    public ITransformer Fit(IDataView input) => _model.Fit(input);

    /// <inheritdoc/>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema) => _model.GetOutputSchema(inputSchema);

    /// <summary>The transformer without data, for who has no rows.</summary>
    internal PeftTransformer Open() => _model.Open();

    /// <summary>Settings of <see cref="ClipTextEmbedder"/>.</summary>
    public sealed class Options : ClipTextOptions
    {
        /// <summary>The column of texts.</summary>
        public string TextColumnName { get; set; } = "Text";

        /// <summary>The column of vectors.</summary>
        public string OutputColumnName { get; set; } = "Embedding";

        /// <summary>Whether vectors get length 1; true by default.</summary>
        public bool Normalize { get; set; } = true;
    }
}
