using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Models;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>A folder with a small T5 of random weights, laid out as published ones are; its tokens are single characters of ASCII.</summary>
public sealed class TinyT5 : IDisposable
{
    private const int Sentinels = 2;

    private static readonly string[] s_special = ["<pad>", "</s>", "<unk>"];

    private static readonly string[] s_pieces = ["▁", .. Enumerable.Range('!', '~' - '!' + 1).Select(character => ((char)character).ToString())];

    /// <param name="change">Changes config.json, such as to a form of T5 v1.1.</param>
    /// <param name="seed">Of the weights.</param>
    public TinyT5(Action<JsonObject>? change = null, long seed = 1)
    {
        Folder = Directory.CreateTempSubdirectory("tiny-t5-").FullName;
        JsonObject config = Config();
        change?.Invoke(config);
        File.WriteAllText(Path.Combine(Folder, "config.json"), config.ToJsonString());
        File.WriteAllText(Path.Combine(Folder, "tokenizer.json"), Tokenizer().ToJsonString());
        File.WriteAllText(Path.Combine(Folder, "tokenizer_config.json"), TokenizerConfig().ToJsonString());
        using PretrainedModel model = ModelRegistry.Create(HfConfig.Load(Folder), null, CPU, seed);
        SafetensorsWriter.WriteFile(
            Path.Combine(Folder, "model.safetensors"), model.Weights.All.DistinctBy(p => p.Value.Handle).Select(p => (p.Name, p.Value)));
    }

    public string Folder { get; }

    /// <summary>The pieces that are no special tokens, in the order of their ids.</summary>
    public static IReadOnlyList<string> Pieces => s_pieces;

    public static int EosId => 1;

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    /// <summary>Makes it one of T5 v1.1: gated layers and an output matrix of its own.</summary>
    public static void Gated(JsonObject config) => (config["feed_forward_proj"], config["tie_word_embeddings"]) = ("gated-gelu", false);

    private static JsonObject Config() => new()
    {
        ["model_type"] = "t5",
        ["architectures"] = new JsonArray("T5ForConditionalGeneration"),
        ["vocab_size"] = s_special.Length + s_pieces.Length + Sentinels,
        ["d_model"] = 32,
        ["d_kv"] = 8,
        ["num_heads"] = 4,
        ["num_layers"] = 2,
        ["d_ff"] = 64,
        ["relative_attention_num_buckets"] = 8,
        ["relative_attention_max_distance"] = 32,
        ["dropout_rate"] = 0.0,
        ["initializer_range"] = 0.2,
        ["is_encoder_decoder"] = true,
        ["decoder_start_token_id"] = 0,
        ["eos_token_id"] = EosId,
        ["pad_token_id"] = 0,
    };

    private static JsonObject Tokenizer() => new()
    {
        ["version"] = "1.0",
        ["added_tokens"] = new JsonArray([.. s_special.Select((token, id) => Added(token, id)),
            .. Enumerable.Range(0, Sentinels).Select(i => Added($"<extra_id_{Sentinels - 1 - i}>", s_special.Length + s_pieces.Length + i))]),
        ["pre_tokenizer"] = new JsonObject { ["type"] = "Metaspace", ["replacement"] = "▁", ["prepend_scheme"] = "always", ["split"] = true },
        ["post_processor"] = new JsonObject
        {
            ["type"] = "TemplateProcessing",
            ["single"] = new JsonArray(Part("Sequence", "A"), Part("SpecialToken", "</s>")),
            ["pair"] = new JsonArray(Part("Sequence", "A"), Part("SpecialToken", "</s>"), Part("Sequence", "B"), Part("SpecialToken", "</s>")),
            ["special_tokens"] = new JsonObject
            {
                ["</s>"] = new JsonObject { ["id"] = "</s>", ["ids"] = new JsonArray(EosId), ["tokens"] = new JsonArray("</s>") },
            },
        },
        ["decoder"] = new JsonObject { ["type"] = "Metaspace", ["replacement"] = "▁", ["prepend_scheme"] = "always", ["split"] = true },
        ["model"] = new JsonObject
        {
            ["type"] = "Unigram",
            ["unk_id"] = 2,
            ["vocab"] = new JsonArray([.. s_special.Select(token => new JsonArray(token, 0.0)), .. s_pieces.Select((piece, i) => new JsonArray(piece, -2.0 - (0.01 * i)))]),
        },
    };

    private static JsonObject Added(string token, int id) => new()
    {
        ["id"] = id, ["content"] = token, ["single_word"] = false, ["lstrip"] = false, ["rstrip"] = false, ["normalized"] = false, ["special"] = true,
    };

    private static JsonObject Part(string kind, string id) => new() { [kind] = new JsonObject { ["id"] = id, ["type_id"] = 0 } };

    private static JsonObject TokenizerConfig() => new()
    {
        ["tokenizer_class"] = "T5Tokenizer",
        ["extra_ids"] = Sentinels,
        ["model_max_length"] = 512,
        ["pad_token"] = "<pad>",
        ["eos_token"] = "</s>",
        ["unk_token"] = "<unk>",
    };
}
