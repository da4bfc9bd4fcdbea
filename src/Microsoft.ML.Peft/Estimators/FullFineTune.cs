using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Tuners.Full;

namespace Microsoft.ML.Peft;

/// <summary>Trains every weight of a model: the baseline that other methods are measured against.</summary>
public sealed class FullFineTune : IEstimator<PeftTransformer>
{
    private readonly FineTuning _core;

    internal FullFineTune(PeftHost host, Options options) => _core = new FineTuning(host, options, new FullOptions());

    /// <inheritdoc/>
    public PeftTransformer Fit(IDataView input) => _core.Fit(input);

    /// <inheritdoc/>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema) => _core.GetOutputSchema(inputSchema);

    /// <summary>Settings of <see cref="FullFineTune"/>.</summary>
    public sealed class Options : FineTuneOptions
    {
        /// <summary>
        /// Whether the model starts at random, to be pretrained: the folder then needs no weights, and any that it has are not
        /// read. False by default.
        /// </summary>
        public bool StartFromScratch { get; set; }

        internal override bool FromScratch => StartFromScratch;
    }
}
