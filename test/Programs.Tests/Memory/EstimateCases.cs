using System.Text.Json.Nodes;
using Microsoft.ML;
using Microsoft.ML.Peft;

namespace Programs.Tests.Memory;

/// <summary>Fits whose memory is estimated and measured: models of some 15 million weights, batches of 1024 tokens.</summary>
internal static class EstimateCases
{
    private const int Length = 128, BatchSize = 8, Batches = 2;

    private static readonly (string Key, JsonNode Value)[] s_decoder =
    [
        ("hidden_size", 512), ("num_hidden_layers", 5), ("num_attention_heads", 8), ("num_key_value_heads", 4), ("intermediate_size", 1408),
        ("max_position_embeddings", Length), ("tie_word_embeddings", true),
    ];

    private static readonly (string Key, JsonNode Value)[] s_gpt2 =
    [
        ("n_embd", 512), ("n_layer", 5), ("n_head", 8), ("n_positions", Length), ("attn_pdrop", 0.1), ("embd_pdrop", 0.1), ("resid_pdrop", 0.1),
    ];

    private static readonly (string Key, JsonNode Value)[] s_bert =
    [
        ("hidden_size", 512), ("num_hidden_layers", 5), ("num_attention_heads", 8), ("intermediate_size", 2048), ("max_position_embeddings", Length),
        ("hidden_dropout_prob", 0.1), ("attention_probs_dropout_prob", 0.1),
    ];

    private static readonly (string Key, JsonNode Value)[] s_t5 =
    [
        ("d_model", 512), ("d_kv", 64), ("num_heads", 8), ("num_layers", 4), ("d_ff", 2048), ("relative_attention_num_buckets", 32), ("dropout_rate", 0.1),
    ];

    private static readonly (string Key, JsonNode Value)[] s_glm =
    [
        ("hidden_size", 512), ("num_layers", 5), ("num_attention_heads", 8), ("max_sequence_length", Length), ("attention_dropout_prob", 0.1),
        ("embedding_dropout_prob", 0.1), ("output_dropout_prob", 0.1),
    ];

    /// <summary>The settings by name; they lack the model.</summary>
    public static Dictionary<string, Func<PeftCatalog, string, FineTuneEstimator>> Fits { get; } = new()
    {
        ["full"] = (peft, folder) => peft.FullFineTune(new FullFineTune.Options
        {
            BaseModel = folder, Task = PeftTask.CausalLanguageModelling(), Training = new() { BatchSize = BatchSize, MaxEpochs = 1 },
        }),
        ["lora"] = (peft, folder) => peft.Lora(Lora(folder)),
        ["checkpointing"] = (peft, folder) =>
        {
            LoraFineTune.Options options = Lora(folder);
            options.Training.GradientCheckpointing = true;
            return peft.Lora(options);
        },
        ["qlora"] = (peft, folder) => peft.Qlora(folder, PeftTask.CausalLanguageModelling(), rank: 16, maxEpochs: 1, batchSize: BatchSize),
        ["text to text"] = (peft, folder) =>
        {
            LoraFineTune.Options options = Lora(folder);
            (options.Task, options.MaxLength) = (PeftTask.TextGeneration("Text", "Half"), Length);
            return peft.Lora(options);
        },
        ["blanks"] = (peft, folder) =>
        {
            LoraFineTune.Options options = Lora(folder);
            options.Task = PeftTask.FillBlanks("Blank", "Half");
            return peft.Lora(options);
        },
        ["classification"] = (peft, folder) =>
        {
            LoraFineTune.Options options = Lora(folder);
            (options.Task, options.MaxLength) = (PeftTask.TextClassification(), Length);
            return peft.Lora(options);
        },
    };

    /// <summary>Gives a model a width at which its tensors, not the runtime's, decide.</summary>
    public static void Grow(JsonObject config)
    {
        var sizes = config["model_type"]!.GetValue<string>() switch { "gpt2" => s_gpt2, "bert" => s_bert, "t5" => s_t5, "glm" => s_glm, _ => s_decoder };
        foreach (var (key, value) in sizes.Append(("vocab_size", config.ContainsKey("type_vocab_size") ? 512 : 8192)).Append(("initializer_range", 0.02)))
            config[key] = value.DeepClone();
    }

    /// <summary>Texts that fill a decoder's rows to the last byte, and half of an encoder's.</summary>
    public static IDataView Rows(MLContext context, int batches = Batches)
    {
        IDataView rows = context.Data.LoadFromEnumerable(Enumerable.Range(0, BatchSize * batches).Select(i => new Row
        {
            Text = Letters(Length), Half = Letters(Length / 2), Blank = Letters((Length / 2) - 8) + "[MASK]", Label = i % 2 == 0 ? "even" : "odd",
        }));
        return context.Transforms.Conversion.MapValueToKey("Label").Fit(rows).Transform(rows);
    }

    private static string Letters(int length) => string.Concat(Enumerable.Repeat("a ", length))[..(length - 1)];

    private static LoraFineTune.Options Lora(string folder) => new()
    {
        BaseModel = folder, Task = PeftTask.CausalLanguageModelling(), Training = new() { BatchSize = BatchSize, MaxEpochs = 1 },
    };

    private sealed class Row
    {
        public string Text { get; set; } = "";

        public string Half { get; set; } = "";

        public string Blank { get; set; } = "";

        public string Label { get; set; } = "";
    }
}
