using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Hosting;

namespace Microsoft.ML.Peft;

/// <summary>Fine-tunes a model; the methods differ in their settings and in the tuner that these name.</summary>
public abstract class FineTuneEstimator : IEstimator<PeftTransformer>
{
    private readonly FineTuning _core;

    private protected FineTuneEstimator(PeftHost host, FineTuneOptions options) => (Settings, _core) = (options, new(host, options));

    internal FineTuneOptions Settings { get; }

    /// <inheritdoc/>
    public PeftTransformer Fit(IDataView input) => _core.Fit(input);

    /// <summary>
    /// What <see cref="Fit"/> would take in memory and time. The data is read and the model opened (and quantized, where it is to
    /// be), as for a fit; nothing is trained or kept.
    /// </summary>
    /// <param name="input">The training data.</param>
    /// <returns>The estimate, which a fit logs too.</returns>
    /// <exception cref="InvalidOperationException">The data has no row to train on.</exception>
    public TrainingEstimate Estimate(IDataView input) => _core.Estimate(input);

    /// <inheritdoc/>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema) => _core.GetOutputSchema(inputSchema);
}
