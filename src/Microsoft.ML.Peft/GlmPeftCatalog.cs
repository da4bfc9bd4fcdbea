namespace Microsoft.ML.Peft;

public sealed partial class PeftCatalog
{
    /// <summary>Pretrains a GLM by blank infilling, from scratch (a folder of <see cref="GlmFolder"/>) or further.</summary>
    /// <param name="options">All settings.</param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentException">A setting is missing or out of range.</exception>
    public GlmPretrain GlmPretrain(GlmPretrain.Options options) => new(Host(nameof(GlmPretrain)), Given(options));
}
