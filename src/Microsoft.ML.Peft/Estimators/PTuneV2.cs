using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft;

/// <summary>
/// P-tuning v2 (Liu et al. 2022): prompts on every layer, learnt with dropout and without a network by default, under a classifier of the text or of
/// each token. What it learns is a prefix, and is saved as one.
/// </summary>
public sealed class PTuneV2 : FineTuneEstimator
{
    internal PTuneV2(PeftHost host, Options options) : base(host, options) { }

    /// <summary>Settings of <see cref="PTuneV2"/>.</summary>
    public sealed class Options : FineTuneOptions
    {
        /// <summary>How many virtual tokens, what makes them, and how they start; what it leaves null is the method's own.</summary>
        [NotLearnt]
        public PrefixOptions Prefix { get; set; } = new();

        internal override TunerOptions Tuner => Given.Settled();

        internal override TunerOptions Given => Prefix.WithDropout(0.1);

        private protected override TrainingDefaults Defaults => new(LearningRate: Prefix.PrefixProjection ? 1e-3 : 3e-2);

        internal override void Validate()
        {
            ArgumentNullException.ThrowIfNull(Prefix);
            base.Validate();
        }
    }
}
