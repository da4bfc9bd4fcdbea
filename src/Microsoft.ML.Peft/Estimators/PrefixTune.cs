using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft;

/// <summary>Learns keys and values of virtual tokens before every layer's own; the base stays as it is (prefix tuning, Li and Liang 2021).</summary>
public sealed class PrefixTune : FineTuneEstimator
{
    internal PrefixTune(PeftHost host, Options options) : base(host, options) { }

    /// <summary>Settings of <see cref="PrefixTune"/>.</summary>
    public sealed class Options : FineTuneOptions
    {
        /// <summary>How many virtual tokens, what makes them, and how they start; what it leaves null is the method's own.</summary>
        [NotLearnt]
        public PrefixOptions Prefix { get; set; } = new();

        internal override TunerOptions Tuner => Given.Settled();

        internal override TunerOptions Given => Prefix.WithDropout(0);

        // A network moves the whole table with each of its weights.
        private protected override TrainingDefaults Defaults => new(LearningRate: Prefix.PrefixProjection ? 1e-3 : 1e-2);

        internal override void Validate()
        {
            ArgumentNullException.ThrowIfNull(Prefix);
            base.Validate();
        }
    }
}
