using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Tuners.Full;

namespace Microsoft.ML.Peft;

/// <summary>Trains the head of a task alone, on a base that stays as it is.</summary>
public sealed class LinearProbe : IEstimator<PeftTransformer>
{
    private readonly FineTuning _core;

    internal LinearProbe(PeftHost host, Options options) => _core = new FineTuning(host, options, new LinearProbeOptions());

    /// <inheritdoc/>
    public PeftTransformer Fit(IDataView input) => _core.Fit(input);

    /// <inheritdoc/>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema) => _core.GetOutputSchema(inputSchema);

    /// <summary>Settings of <see cref="LinearProbe"/>.</summary>
    public sealed class Options : FineTuneOptions;
}
