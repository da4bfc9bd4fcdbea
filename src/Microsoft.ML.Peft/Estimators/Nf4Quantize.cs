using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Hosting;

namespace Microsoft.ML.Peft;

/// <summary>
/// Keeps a model's matrices in 4 bits (or in 8, by option). Alone it makes a transformer of a checkpoint, whose archive holds the
/// packed weights; given to a tuner in a model's place, it is the tuner's base: LoRA over it is QLoRA.
/// </summary>
public sealed class Nf4Quantize : IEstimator<PeftTransformer>
{
    private readonly PeftHost _host;

    internal Nf4Quantize(PeftHost host, Options options)
    {
        options.Validate();
        (_host, Settings) = (host, options);
    }

    internal Options Settings { get; }

    private UntrainedModel Model => new(_host, Settings, Settings.Task ?? throw new InvalidOperationException(
        $"{nameof(Nf4Quantize)} has no task: set {nameof(Options)}.{nameof(Options.Task)} to score with the model, or give the estimator to a tuner as its model."),
        Settings.MaxLength, adapterPath: null);

    /// <inheritdoc/>
    public PeftTransformer Fit(IDataView input) => Model.Fit(input);

    /// <inheritdoc/>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema) => Model.GetOutputSchema(inputSchema);

    /// <summary>Settings of <see cref="Nf4Quantize"/>.</summary>
    public sealed class Options : ModelOptions
    {
        /// <summary>NF4 in blocks of 64.</summary>
        public Options() => Quantization = new();

        /// <summary>What the quantized model answers; null (the default) for a model that is a tuner's base only.</summary>
        public PeftTask? Task { get; set; }

        internal override void Validate()
        {
            base.Validate();
            ArgumentNullException.ThrowIfNull(Quantization);
        }
    }
}
