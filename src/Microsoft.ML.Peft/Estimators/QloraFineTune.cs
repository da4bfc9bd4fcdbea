using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft;

/// <summary>
/// Fine-tunes a model by QLoRA (Dettmers et al. 2023): LoRA on every linear layer of a base in 4 bits, with the paper's training.
/// </summary>
public sealed class QloraFineTune : FineTuneEstimator
{
    internal QloraFineTune(PeftHost host, Options options) : base(host, options) { }

    /// <summary>Settings of <see cref="QloraFineTune"/>.</summary>
    public sealed class Options : FineTuneOptions
    {
        /// <summary>NF4 in blocks of 64, with double quantization.</summary>
        public Options() => Quantization = new();

        /// <summary>Rank, scale, targets; what it leaves null is the paper's: rank 64, alpha 16, dropout 0.1, every linear layer.</summary>
        [NotLearnt]
        public LoraOptions Lora { get; set; } = new();

        internal override TunerOptions Tuner =>
            Lora.Over(new LoraOptions { Rank = 64, Alpha = 16, Dropout = 0.1, TargetModules = [LoraOptions.AllLinear] });

        internal override QuantizationOptions? Precision => Quantization?.Over(doubleQuantization: true);

        internal override TunerOptions Given => Lora;

        private protected override TrainingDefaults Defaults => new(LearningRate: 2e-4)
        {
            BatchSize = 16,
            Optimizer = TrainingOptimizer.PagedAdamW32Bit,
            Schedule = LearningRateSchedule.Constant,
            WarmupRatio = 0.03,
            MaxGradientNorm = 0.3,
            GradientCheckpointing = true,
        };

        internal override void Validate()
        {
            base.Validate();
            ArgumentNullException.ThrowIfNull(Lora);
            ArgumentNullException.ThrowIfNull(Quantization);
        }
    }
}
