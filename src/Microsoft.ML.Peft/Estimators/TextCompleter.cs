using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Hosting;

namespace Microsoft.ML.Peft;

/// <summary>Lets a model that writes answer prompts, or a decoder chats, as it is, or under an adapter; fitting trains nothing.</summary>
public sealed class TextCompleter : IEstimator<PeftTransformer>
{
    private readonly UntrainedModel _model;

    internal TextCompleter(PeftHost host, Options options)
    {
        options.Validate();
        Settings = options;
        ArgumentNullException.ThrowIfNull(options.Task);
        if (options.AdapterFolder is { } adapter)
            ModelPath.Check(adapter, nameof(options.AdapterFolder));
        _model = new UntrainedModel(host, options, options.Task, options.MaxLength, options.AdapterFolder, options.AllowOtherBase);
    }

    internal Options Settings { get; }

    /// <inheritdoc/>
    public PeftTransformer Fit(IDataView input) => _model.Fit(input);

    /// <inheritdoc/>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema) => _model.GetOutputSchema(inputSchema);

    /// <summary>Settings of <see cref="TextCompleter"/>.</summary>
    public sealed class Options : ModelOptions
    {
        /// <summary>Where prompts stand and how text is generated: <see cref="PeftTask.TextGeneration"/>, the default, or <see cref="PeftTask.Chat"/>.</summary>
        public PeftTask Task { get; set; } = PeftTask.TextGeneration();

        /// <summary>A PEFT folder, or a LoRA adapter as a .gguf file; null (the default) for the model as it is.</summary>
        public string? AdapterFolder { get; set; }

        /// <summary>
        /// Whether <see cref="AdapterFolder"/> may name another base than this one, such as the same in another precision or format; false by default: it is
        /// refused where it names its base's hash and that is not this one's.
        /// </summary>
        public bool AllowOtherBase { get; set; }
    }
}
