using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Prefix;

namespace Microsoft.ML.Peft;

/// <summary>
/// Settings of prefix tuning (Li and Liang 2021), with the names of PEFT's <c>PrefixTuningConfig</c>: keys and values of virtual tokens, layer by
/// layer, before those of the text. Without a network behind the table it is P-tuning v2's form (Liu et al. 2022).
/// </summary>
public sealed class PrefixOptions : VirtualTokenOptions
{
    internal const string Type = "PREFIX_TUNING";

    /// <summary>
    /// Whether the table is made by a network of two layers while it is learnt (the paper's reparametrisation), which is gone afterwards: what is
    /// saved is the table. Off by default.
    /// </summary>
    public bool PrefixProjection { get; set; }

    /// <summary>The width of the network's inner layer; null (the default) for that of a token's keys in one layer. The paper has 512 and 800.</summary>
    public int? EncoderHiddenSize { get; set; }

    internal override string PeftType => Type;

    private protected override ITuner CreateTuner()
    {
        Check(EncoderHiddenSize is null or >= 1, nameof(EncoderHiddenSize), EncoderHiddenSize ?? 0, "at least 1");
        return new PrefixTuner(this);
    }

    private protected override void ReadOwn(JsonObject config)
    {
        PrefixProjection = config["prefix_projection"]?.GetValue<bool>() ?? false;
        EncoderHiddenSize = config["encoder_hidden_size"]?.GetValue<int>();
    }

    private protected override void WriteOwn(JsonObject config, VirtualTokenSizes sizes)
    {
        config["encoder_hidden_size"] = EncoderHiddenSize ?? sizes.Width;
        config["init_weights"] = null;
        config["prefix_projection"] = PrefixProjection;
    }
}
