using System.Text.Json.Nodes;

namespace Microsoft.ML.Peft.Tuners.Prompt;

/// <summary>Prompt tuning (Lester et al. 2021): vectors before the tokens of every row.</summary>
internal sealed class PromptOptions : VirtualTokenOptions
{
    public const string Type = "PROMPT_TUNING";

    internal override string PeftType => Type;

    private protected override ITuner CreateTuner() => new PromptTuner(this);

    // How the vectors started does not matter once they are there.
    private protected override void ReadOwn(JsonObject config) { }

    private protected override void WriteOwn(JsonObject config, VirtualTokenSizes sizes)
    {
        config["prompt_tuning_init"] = "RANDOM";
        config["prompt_tuning_init_text"] = null;
        config["tokenizer_kwargs"] = null;
        config["tokenizer_name_or_path"] = null;
    }
}
