using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Full;

namespace Microsoft.ML.Peft;

/// <summary>What methods are told that train every weight of a model.</summary>
public abstract class WholeModelOptions : FineTuneOptions
{
    private protected WholeModelOptions() { }

    /// <summary>
    /// Whether the model starts at random, to be pretrained: the folder then needs no weights, and any that it has are not
    /// read. False by default.
    /// </summary>
    public bool StartFromScratch { get; set; }

    internal override bool FromScratch => StartFromScratch;

    internal override TunerOptions Tuner => new FullOptions();

    internal override void Validate()
    {
        base.Validate();
        if (Quantization is not null)
            throw new ArgumentException($"Every weight trains, and is needed as floats: {nameof(Quantization)} must be null.", nameof(Quantization));
    }
}
