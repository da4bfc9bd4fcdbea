using System.Text.Json.Nodes;

namespace Microsoft.ML.Peft.Tuners.Prefix;

/// <summary>
/// Prefix tuning (Li and Liang 2021) without a network behind the table, which is P-tuning v2's form (Liu et al. 2022): keys and
/// values of virtual tokens, layer by layer.
/// </summary>
internal sealed class PrefixOptions : VirtualTokenOptions
{
    public const string Type = "PREFIX_TUNING";

    internal override string PeftType => Type;

    private protected override ITuner CreateTuner() => new PrefixTuner(this);

    private protected override void ReadOwn(JsonObject config, string file)
    {
        if (config["prefix_projection"]?.GetValue<bool>() == true)
            throw new NotSupportedException($"{file}: 'prefix_projection' is true, which is not supported yet.");
    }

    private protected override void WriteOwn(JsonObject config)
    {
        config["encoder_hidden_size"] = Sizes!.Width;
        config["init_weights"] = null;
        config["prefix_projection"] = false;
    }
}
