using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Hosting;

namespace Microsoft.ML.Peft;

/// <summary>Turns texts into vectors with a model as it is; fitting trains nothing.</summary>
public sealed class TextEmbedder : IEstimator<PeftTransformer>
{
    private readonly UntrainedModel _model;

    internal TextEmbedder(PeftHost host, Options options)
    {
        options.Validate();
        Settings = options;
        var folder = SentenceTransformersFolder.Read(options.BaseModel);
        PeftTask task = PeftTask.TextEmbedding(
            options.InputColumnName, options.OutputColumnName, options.Pooling ?? PoolingOf(folder.PoolingMode), options.Normalize ?? folder.Normalizes ?? true);
        _model = new UntrainedModel(host, options, task, options.MaxLength ?? folder.MaxLength, adapterPath: null);
    }

    internal Options Settings { get; }

    /// <inheritdoc/>
    public PeftTransformer Fit(IDataView input) => _model.Fit(input);

    /// <inheritdoc/>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema) => _model.GetOutputSchema(inputSchema);

    private static TextPooling? PoolingOf(string? mode) => mode switch
    {
        null => null,
        "mean_tokens" => TextPooling.Mean,
        "cls_token" => TextPooling.Cls,
        "max_tokens" => TextPooling.Max,
        "lasttoken" => TextPooling.Last,
        _ => throw new NotSupportedException($"Pooling '{mode}' is not supported; known are mean_tokens, cls_token, max_tokens, lasttoken."),
    };

    /// <summary>The transformer without data, for who has no rows.</summary>
    internal PeftTransformer Open() => _model.Open();

    /// <summary>Settings of <see cref="TextEmbedder"/>.</summary>
    public sealed class Options : ModelOptions
    {
        /// <summary>The text column.</summary>
        public string InputColumnName { get; set; } = "Text";

        /// <summary>The column of vectors.</summary>
        public string OutputColumnName { get; set; } = "Embedding";

        /// <summary>How token states become one vector; null (the default) for what the folder's sentence-transformers files say, else the last token of a decoder and the mean of other models.</summary>
        public TextPooling? Pooling { get; set; }

        /// <summary>Whether vectors get length 1; null (the default) for what the folder's sentence-transformers files say, else true.</summary>
        public bool? Normalize { get; set; }
    }
}
