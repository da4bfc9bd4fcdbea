using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Hosting;

namespace Microsoft.ML.Peft;

/// <summary>Fine-tunes a model with LoRA: a low-rank update beside chosen weights, which stay as they are.</summary>
public sealed class LoraFineTune : IEstimator<PeftTransformer>
{
    private readonly FineTuning _core;

    internal LoraFineTune(PeftHost host, Options options) => _core = new FineTuning(host, options, options.Lora);

    /// <inheritdoc/>
    public PeftTransformer Fit(IDataView input) => _core.Fit(input);

    /// <inheritdoc/>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema) => _core.GetOutputSchema(inputSchema);

    /// <summary>Settings of <see cref="LoraFineTune"/>.</summary>
    public sealed class Options : FineTuneOptions
    {
        /// <summary>Rank, scale, targets.</summary>
        public LoraOptions Lora { get; set; } = new();
    }
}
