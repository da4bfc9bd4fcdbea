using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Prompt;

namespace Microsoft.ML.Peft;

/// <summary>Settings of prompt tuning (Lester et al. 2021): learnt vectors before the tokens of every row, or at places that a task's pattern keeps free.</summary>
public sealed class PromptOptions : InputVectorOptions, IContinues
{
    internal const string Type = "PROMPT_TUNING";

    private const string StartKey = "prompt_tuning_init", TextKey = "prompt_tuning_init_text", TokenizerKey = "tokenizer_name_or_path", ArgumentsKey = "tokenizer_kwargs";

    private static readonly Dictionary<string, VirtualTokenStart> s_starts = new()
    {
        ["RANDOM"] = VirtualTokenStart.Random,
        ["SAMPLE_VOCAB"] = VirtualTokenStart.SampledVocabulary,
        ["TEXT"] = VirtualTokenStart.Text,
    };

    /// <summary>Vectors that start from sampled tokens (<see cref="VirtualTokenStart.SampledVocabulary"/>), 20 of them.</summary>
    public PromptOptions() => Start = VirtualTokenStart.SampledVocabulary;

    /// <summary>What the file says of the tokenizer, which nothing here reads: it stands there again when the adapter is written.</summary>
    [JsonInclude, JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    internal JsonObject? Tokenizer { get; private set; }

    internal override string PeftType => Type;

    TunerOptions IContinues.Continue(TunerOptions adapter, string path) => Continuation.Of(this, (PromptOptions)adapter, path);

    private protected override ITuner CreateTuner()
    {
        CheckStart();
        return new PromptTuner(this);
    }

    private protected override void ReadOwn(JsonObject config)
    {
        base.ReadOwn(config);
        string start = config[StartKey]?.GetValue<string>() ?? "RANDOM";
        Start = s_starts.TryGetValue(start, out VirtualTokenStart known) ? known : throw new NotSupportedException(
            $"'{StartKey}' is '{start}'; known are {string.Join(", ", s_starts.Keys)}.");
        StartText = Start == VirtualTokenStart.Text ? config[TextKey]?.GetValue<string>() : null;
        if (config[TokenizerKey] is not null || config[ArgumentsKey] is not null)
            Tokenizer = new JsonObject { [TokenizerKey] = config[TokenizerKey]?.DeepClone(), [ArgumentsKey] = config[ArgumentsKey]?.DeepClone() };
    }

    private protected override void WriteOwn(JsonObject config, VirtualTokenSizes sizes)
    {
        base.WriteOwn(config, sizes);
        // PEFT knows no labels there, and once the vectors are learnt how they started does not matter.
        config[StartKey] = s_starts.FirstOrDefault(start => start.Value == Start).Key ?? "RANDOM";
        config[TextKey] = StartText;
        config[ArgumentsKey] = Tokenizer?[ArgumentsKey]?.DeepClone();
        // PEFT refuses a text without a tokenizer's name.
        config[TokenizerKey] = Tokenizer?[TokenizerKey]?.DeepClone() ?? (StartText is null ? null : config["base_model_name_or_path"]?.DeepClone());
    }
}
