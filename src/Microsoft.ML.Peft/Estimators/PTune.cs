using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft;

/// <summary>Learns vectors of virtual tokens, made by a network while they are learnt; the base stays as it is (P-tuning, Liu, Zheng et al. 2021).</summary>
public sealed class PTune : FineTuneEstimator
{
    internal PTune(PeftHost host, Options options) : base(host, options) { }

    /// <summary>Settings of <see cref="PTune"/>.</summary>
    public sealed class Options : FineTuneOptions
    {
        /// <summary>How many virtual tokens, and the network that makes them; what it leaves null is the method's own.</summary>
        [NotLearnt]
        public PTuningOptions Prompt { get; set; } = new();

        internal override TunerOptions Tuner => Prompt.Settled();

        internal override TunerOptions Given => Prompt;

        // A network moves the whole table with each of its weights; where it stands beside vectors, it is they that learn at this rate.
        private protected override TrainingDefaults Defaults => new(LearningRate: Prompt.Start == VirtualTokenStart.Random ? 5e-3 : 1e-2);

        internal override void Validate()
        {
            ArgumentNullException.ThrowIfNull(Prompt);
            base.Validate();
        }
    }
}
