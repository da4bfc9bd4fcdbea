using Microsoft.ML.Peft.Hosting;

namespace Microsoft.ML.Peft;

/// <summary>Fine-tunes a model with LoRA: a low-rank update beside chosen weights, which stay as they are.</summary>
public sealed class LoraFineTune : FineTuneEstimator
{
    internal LoraFineTune(PeftHost host, Options options) : base(host, options, options.Lora) { }

    /// <summary>Settings of <see cref="LoraFineTune"/>.</summary>
    public sealed class Options : FineTuneOptions
    {
        /// <summary>Rank, scale, targets.</summary>
        public LoraOptions Lora { get; set; } = new();
    }
}
