using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Full;

namespace Microsoft.ML.VisionLanguage;

/// <summary>Learns the words around the classes' names, as vectors, and leaves CLIP as it is (CoOp: Zhou et al. 2022, "Learning to prompt").</summary>
/// <remarks>
/// <para>
/// Pictures are compared with one text a class: context vectors and the label's name. The vectors alone train, by the cross-entropy of the
/// logits. What the model says of a picture never changes and is computed once; each step runs the tower of texts over the classes.
/// </para>
/// <para>
/// By default it trains as the original does, by SGD with momentum 0.9 at 0.002 that falls as a cosine, weight decay 5e-4 and no clipping of gradients. The
/// original holds the first epoch at 1e-5, here the rate rises through a fiftieth of the steps. Names' underscores are read as blanks.
/// </para>
/// <para>
/// Input: pictures (bytes, paths of files, or images), and a key over the classes' names as label. Output: <c>PredictedLabel</c>, a key over
/// the same, and <c>Score</c>, the probabilities of all classes. The transformer holds native memory and is <see cref="IDisposable"/>.
/// </para>
/// </remarks>
public sealed class ClipCoOp : IEstimator<ITransformer>
{
    private readonly FineTuning _fineTuning;

    internal ClipCoOp(PeftHost host, Options options) => _fineTuning = new FineTuning(host, options);

    /// <inheritdoc/>
    public ITransformer Fit(IDataView input) => _fineTuning.Fit(input);

    /// <inheritdoc/>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema) => _fineTuning.GetOutputSchema(inputSchema);

    /// <summary>What a fit would take in memory and work.</summary>
    /// <param name="input">The data that it would be given.</param>
    /// <returns>The estimate.</returns>
    public TrainingEstimate Estimate(IDataView input) => _fineTuning.Estimate(input);

    /// <summary>Settings of <see cref="ClipCoOp"/>.</summary>
    public sealed class Options : FineTuneOptions
    {
        /// <summary>Sixteen vectors before each class's name, over the columns <c>Image</c> and <c>Label</c>; <see cref="FineTuneOptions.Task"/> says otherwise.</summary>
        public Options() => Task = ClipTask.LearnedPrompts();

        internal override TunerOptions Tuner => new LinearProbeOptions();

        private protected override TrainingDefaults Defaults => new(LearningRate: 2e-3)
        {
            MaxEpochs = 50,
            Optimizer = TrainingOptimizer.Sgd,
            WeightDecay = 5e-4,
            MaxGradientNorm = 0,
            Schedule = LearningRateSchedule.Cosine,
            WarmupRatio = 0.02,
        };
    }
}
