using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Models;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>A folder with a small decoder of random weights and a tokenizer whose tokens are single bytes, so that it reads any text.</summary>
public sealed class TinyDecoder : IDisposable
{
    public const int Vocabulary = 256 + 3;

    private static readonly string[] s_special = ["<pad>", "<s>", "</s>"];

    private static readonly Dictionary<string, Func<JsonObject>> s_configs = new()
    {
        ["llama"] = () => Llama("llama"),
        ["qwen2"] = () => Llama("qwen2"),
        ["gpt2"] = Gpt2,
        ["opt"] = () => Opt(tokenWidth: 32, normsBefore: true),
        ["opt-350m"] = () => Opt(tokenWidth: 16, normsBefore: false),
    };

    public TinyDecoder(string modelType = "llama", long seed = 1, Action<JsonObject>? change = null)
    {
        Folder = Directory.CreateTempSubdirectory("tiny-decoder-").FullName;
        JsonObject config = s_configs[modelType]();
        change?.Invoke(config);
        File.WriteAllText(Path.Combine(Folder, "config.json"), config.ToJsonString());
        File.WriteAllText(Path.Combine(Folder, "tokenizer.json"), Tokenizer().ToJsonString());
        File.WriteAllText(Path.Combine(Folder, "tokenizer_config.json"), TokenizerConfig().ToJsonString());
        using PretrainedModel model = ModelRegistry.Create(HfConfig.Load(Folder), null, CPU, seed);
        SafetensorsWriter.WriteFile(Path.Combine(Folder, "model.safetensors"), model.Weights.All.Select(p => (p.Name, p.Value)));
    }

    public string Folder { get; }

    public static int EosId => 2;

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    private static JsonObject Llama(string modelType) => new()
    {
        ["model_type"] = modelType,
        ["architectures"] = new JsonArray(modelType == "qwen2" ? "Qwen2ForCausalLM" : "LlamaForCausalLM"),
        ["vocab_size"] = Vocabulary,
        ["hidden_size"] = 32,
        ["num_hidden_layers"] = 2,
        ["num_attention_heads"] = 4,
        ["num_key_value_heads"] = 2,
        ["intermediate_size"] = 48,
        ["max_position_embeddings"] = 128,
        ["rms_norm_eps"] = 1e-6,
        ["initializer_range"] = 0.2,
        ["tie_word_embeddings"] = false,
        ["bos_token_id"] = 1,
        ["eos_token_id"] = EosId,
        ["pad_token_id"] = 0,
    };

    private static JsonObject Gpt2() => new()
    {
        ["model_type"] = "gpt2",
        ["architectures"] = new JsonArray("GPT2LMHeadModel"),
        ["vocab_size"] = Vocabulary,
        ["n_embd"] = 32,
        ["n_layer"] = 2,
        ["n_head"] = 4,
        ["n_positions"] = 128,
        ["initializer_range"] = 0.2,
        ["attn_pdrop"] = 0.0,
        ["embd_pdrop"] = 0.0,
        ["resid_pdrop"] = 0.0,
        ["bos_token_id"] = 1,
        ["eos_token_id"] = EosId,
        ["pad_token_id"] = 0,
    };

    private static JsonObject Opt(int tokenWidth, bool normsBefore) => new()
    {
        ["model_type"] = "opt",
        ["architectures"] = new JsonArray("OPTForCausalLM"),
        ["vocab_size"] = Vocabulary,
        ["hidden_size"] = 32,
        ["word_embed_proj_dim"] = tokenWidth,
        ["num_hidden_layers"] = 2,
        ["num_attention_heads"] = 4,
        ["ffn_dim"] = 48,
        ["max_position_embeddings"] = 128,
        ["do_layer_norm_before"] = normsBefore,
        ["initializer_range"] = 0.2,
        ["dropout"] = 0.0,
        ["bos_token_id"] = 1,
        ["eos_token_id"] = EosId,
        ["pad_token_id"] = 0,
    };

    private static JsonObject Tokenizer() => new()
    {
        ["version"] = "1.0",
        ["added_tokens"] = new JsonArray([.. s_special.Select((token, id) => new JsonObject
        {
            ["id"] = id, ["content"] = token, ["single_word"] = false, ["lstrip"] = false, ["rstrip"] = false, ["normalized"] = false, ["special"] = true,
        })]),
        ["pre_tokenizer"] = new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["trim_offsets"] = true, ["use_regex"] = true },
        ["decoder"] = new JsonObject { ["type"] = "ByteLevel" },
        ["model"] = new JsonObject
        {
            ["type"] = "BPE",
            ["merges"] = new JsonArray(),
            ["vocab"] = new JsonObject(s_special.Concat(Bytes()).Select((token, id) => KeyValuePair.Create(token, (JsonNode?)id))),
        },
    };

    private static JsonObject TokenizerConfig() => new()
    {
        ["model_max_length"] = 128,
        ["pad_token"] = "<pad>",
        ["bos_token"] = "<s>",
        ["eos_token"] = "</s>",
        ["chat_template"] =
            "{% for message in messages %}{{ '<s>' + message['role'] + ': ' + message['content'] + '</s>' }}{% endfor %}"
            + "{% if add_generation_prompt %}{{ '<s>assistant: ' }}{% endif %}",
    };

    /// <summary>GPT-2's character for each byte: itself where it is printable, the next free one from 256 on elsewhere.</summary>
    private static IEnumerable<string> Bytes()
    {
        int next = 256;
        for (int value = 0; value < 256; value++)
        {
            bool printable = value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
            yield return ((char)(printable ? value : next++)).ToString();
        }
    }
}
