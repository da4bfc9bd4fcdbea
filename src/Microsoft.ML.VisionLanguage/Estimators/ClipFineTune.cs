using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Full;
using Microsoft.ML.VisionLanguage.Models;

namespace Microsoft.ML.VisionLanguage;

/// <summary>
/// Fine-tunes CLIP on pairs of a picture and a text, by the model's own contrastive loss: all weights of both towers or of one, or an adapter in them.
/// </summary>
/// <remarks>
/// Each row is a pair, and the others of its batch are what it is told from, but for those of the same text: the loss is one of the whole batch. A large
/// one is run in pieces (<see cref="TrainingOptions.MiniBatchSize"/>). CLIP chooses by a softmax; a model with a bias (SigLIP) says yes or no to each pair.
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

        /// <summary>
        /// The method, which adds an adapter: LoRA by default. Null to train every weight of <see cref="Towers"/>, the temperature included. Its target names
        /// are looked for in these alone (<c>text_model.encoder.layers.0.self_attn.q_proj</c>, or the end of such a path).
        /// </summary>
        [NotLearnt]
        public TunerOptions? Adapter { get; set; } = new LoraOptions();

        /// <summary>The towers that are tuned; both by default. The others stay as they are.</summary>
        public ClipTowers Towers { get; set; }

        /// <summary>
        /// Which part of what was learnt is kept, chosen on <see cref="FineTuneOptions.ValidationSet"/> and <see cref="ZeroShot"/>; null (the default) for all of
        /// it. What comes of it stands in <see cref="TrainingResult.Forgetting"/>, and in the log.
        /// </summary>
        public WiseFtOptions? WiseFt { get; set; }

        /// <summary>A task that the model could do before, measured before and after the fit; null (the default) for none, of which the log warns.</summary>
        [NotLearnt]
        public ZeroShotCheck? ZeroShot { get; set; }

        private protected override bool KeepsStart => WiseFt is not null;

        internal override TunerOptions Tuner => (Adapter ?? new FullOptions()).Settled().Within(TowerModules.Of(Towers));

        internal override TunerOptions Given => Adapter ?? Tuner;

        private protected override TrainingDefaults Defaults => new(LearningRate: Adapter is null ? 1e-5 : 1e-3);

        internal override IRunCompanion Accompany(FitRun run, ITrainingReporter reporter, CancellationToken token) => new Forgetting(run, this, reporter, token);

        internal override void Validate()
        {
            base.Validate();
            WiseFt?.Validate();
            ZeroShot?.Validate();
            if (WiseFt is not null && ValidationSet is null)
                throw new ArgumentException($"{nameof(WiseFt)} chooses on a validation set: set {nameof(ValidationSet)}.", nameof(WiseFt));
            if (!Enum.IsDefined(Towers))
                throw new ArgumentOutOfRangeException(nameof(Towers), Towers, $"{nameof(Towers)} is none of the choices.");
            if (AdapterFolder is not null && Towers != ClipTowers.Both)
                throw new ArgumentException($"{nameof(AdapterFolder)} says itself where the adapter stands: leave {nameof(Towers)} at {ClipTowers.Both}.", nameof(Towers));
        }
    }
}
