using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Full;
using Microsoft.ML.VisionLanguage.Tasks;

namespace Microsoft.ML.VisionLanguage;

/// <summary>Fine-tunes CLIP on pairs of a picture and a text, by its own contrastive loss: with LoRA in both towers, or all of its weights.</summary>
/// <remarks>
/// Each row is a pair, and the others of its batch are what it is told from: the loss is one of the whole batch, which is computed at once.
/// The transformer adds vectors of length 1 for picture and text, and their cosine. It holds native memory and is <see cref="IDisposable"/>.
/// </remarks>
public sealed class ClipFineTune : IEstimator<ITransformer>
{
    private readonly FineTuning _fineTuning;

    internal ClipFineTune(PeftHost host, Options options) => _fineTuning = new FineTuning(host, options);

    /// <inheritdoc/>
    public ITransformer Fit(IDataView input) => _fineTuning.Fit(input);

    /// <inheritdoc/>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema) => _fineTuning.GetOutputSchema(inputSchema);

    /// <summary>What a fit would take in memory and work.</summary>
    /// <param name="input">The data that it would be given.</param>
    /// <returns>The estimate.</returns>
    public TrainingEstimate Estimate(IDataView input) => _fineTuning.Estimate(input);

    /// <summary>Settings of <see cref="ClipFineTune"/>.</summary>
    public sealed class Options : FineTuneOptions
    {
        /// <summary>Pairs of the columns <c>Image</c> and <c>Text</c>; <see cref="FineTuneOptions.Task"/> says otherwise.</summary>
        public Options() => Task = ClipTask.Pairs();

        /// <summary>Rank, scale, targets of LoRA; null to train every weight, the temperature included.</summary>
        [NotLearnt]
        public LoraOptions? Lora { get; set; } = new();

        internal override TunerOptions Tuner => Lora?.Over(new LoraOptions()) ?? (TunerOptions)new FullOptions();

        internal override TunerOptions Given => Lora ?? Tuner;

        private protected override TrainingDefaults Defaults => new(LearningRate: Lora is null ? 1e-5 : 1e-3);
    }
}
