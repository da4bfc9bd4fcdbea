using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft;

/// <summary>Fine-tunes a model with LoRA: a low-rank update beside chosen weights, which stay as they are.</summary>
public sealed class LoraFineTune : FineTuneEstimator
{
    internal LoraFineTune(PeftHost host, Options options) : base(host, options) { }

    /// <summary>Settings of <see cref="LoraFineTune"/>.</summary>
    public sealed class Options : FineTuneOptions
    {
        /// <summary>Rank, scale, targets; what it leaves null is the method's own.</summary>
        [NotLearnt]
        public LoraOptions Lora { get; set; } = new();

        internal override TunerOptions Tuner => Lora.Over(new LoraOptions());

        internal override TunerOptions Given => Lora;

        private protected override TrainingDefaults Defaults => new(LearningRate: 1e-3);

        internal override void Validate()
        {
            base.Validate();
            ArgumentNullException.ThrowIfNull(Lora);
        }
    }
}
