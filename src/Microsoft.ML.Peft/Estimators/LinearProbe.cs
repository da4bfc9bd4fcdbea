using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Full;

namespace Microsoft.ML.Peft;

/// <summary>Trains the head of a task alone, on a base that stays as it is.</summary>
public sealed class LinearProbe : FineTuneEstimator
{
    internal LinearProbe(PeftHost host, Options options) : base(host, options) { }

    /// <summary>Settings of <see cref="LinearProbe"/>.</summary>
    public sealed class Options : FineTuneOptions
    {
        internal override TunerOptions Tuner => new LinearProbeOptions();

        private protected override TrainingDefaults Defaults => new(LearningRate: 1e-3) { MaxEpochs = 10 };
    }
}
