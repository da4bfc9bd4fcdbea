using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Full;

namespace Microsoft.ML.Peft;

/// <summary>Trains every weight of a model: the baseline that other methods are measured against.</summary>
public sealed class FullFineTune : FineTuneEstimator
{
    internal FullFineTune(PeftHost host, Options options) : base(host, options) { }

    /// <summary>Settings of <see cref="FullFineTune"/>.</summary>
    public sealed class Options : FineTuneOptions
    {
        /// <summary>
        /// Whether the model starts at random, to be pretrained: the folder then needs no weights, and any that it has are not
        /// read. False by default.
        /// </summary>
        public bool StartFromScratch { get; set; }

        internal override bool FromScratch => StartFromScratch;

        internal override TunerOptions Tuner => new FullOptions();

        private protected override TrainingDefaults Defaults => new(LearningRate: 2e-5);

        internal override void Validate()
        {
            base.Validate();
            if (Quantization is not null)
                throw new ArgumentException($"{nameof(FullFineTune)} trains every weight and needs them as floats: {nameof(Quantization)} must be null.", nameof(Quantization));
        }
    }
}
