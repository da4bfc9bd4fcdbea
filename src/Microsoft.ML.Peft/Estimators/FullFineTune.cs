using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Training;

namespace Microsoft.ML.Peft;

/// <summary>Trains every weight of a model: the baseline that other methods are measured against.</summary>
public sealed class FullFineTune : FineTuneEstimator
{
    internal FullFineTune(PeftHost host, Options options) : base(host, options) { }

    /// <summary>Settings of <see cref="FullFineTune"/>.</summary>
    public sealed class Options : WholeModelOptions
    {
        private protected override TrainingDefaults Defaults => new(LearningRate: 2e-5);
    }
}
