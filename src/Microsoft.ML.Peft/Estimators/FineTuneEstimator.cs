using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft;

/// <summary>Fine-tunes a model; the methods differ in their settings and in the tuner that these name.</summary>
public abstract class FineTuneEstimator : IEstimator<PeftTransformer>
{
    private readonly FineTuning _core;

    private protected FineTuneEstimator(PeftHost host, FineTuneOptions options, TunerOptions tuner) => _core = new(host, options, tuner);

    /// <inheritdoc/>
    public PeftTransformer Fit(IDataView input) => _core.Fit(input);

    /// <inheritdoc/>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema) => _core.GetOutputSchema(inputSchema);
}
