using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft;

/// <summary>Learns virtual tokens that stand before every row, beside the task's head; the base stays as it is (prompt tuning, Lester et al. 2021).</summary>
public sealed class PromptTune : FineTuneEstimator
{
    internal PromptTune(PeftHost host, Options options) : base(host, options) { }

    /// <summary>Settings of <see cref="PromptTune"/>.</summary>
    public sealed class Options : FineTuneOptions
    {
        /// <summary>How many virtual tokens, and how they start.</summary>
        [NotLearnt]
        public PromptOptions Prompt { get; set; } = new();

        internal override TunerOptions Tuner => Prompt.Settled();

        internal override TunerOptions Given => Prompt;

        private protected override TrainingDefaults Defaults => new(LearningRate: 1e-2);

        internal override void Validate()
        {
            base.Validate();
            ArgumentNullException.ThrowIfNull(Prompt);
        }
    }
}
