using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Registration;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>A folder with a CLIP of a few thousand random weights, a tokenizer of a few words and picture settings, as Hugging Face lays it out.</summary>
public sealed class TinyClip : IDisposable
{
    public const int Width = 12, Side = 16;

    private static readonly string[] s_words = ["<|startoftext|>", "<|endoftext|>", "<unk>", "red", "green", "blue", "a", "square", "stripes", "left", "right", "dark"];

    public TinyClip(long seed = 1, Action<JsonObject>? change = null)
    {
        Folder = Directory.CreateTempSubdirectory("tiny-clip-").FullName;
        JsonObject config = Config();
        change?.Invoke(config);
        Write("config.json", config);
        Write("tokenizer.json", Tokenizer());
        Write("tokenizer_config.json", new JsonObject
        {
            ["tokenizer_class"] = "CLIPTokenizer", ["model_max_length"] = 10, ["bos_token"] = s_words[0], ["eos_token"] = s_words[1], ["pad_token"] = s_words[1], ["unk_token"] = s_words[2],
        });
        Write("preprocessor_config.json", Pictures());
        Registries.Shared.Include(typeof(VisionLanguageCatalog).Assembly);
        using PretrainedModel model = ModelRegistry.Create(HfConfig.Load(Folder), null, CPU, seed);
        // By name, as Hugging Face's tools write: an archive then holds the very bytes, and sums over them the very bits.
        SafetensorsWriter.WriteFile(Path.Combine(Folder, "model.safetensors"), model.Weights.All.OrderBy(p => p.Name, StringComparer.Ordinal).Select(p => (p.Name, p.Value)));
    }

    public string Folder { get; }

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    private void Write(string name, JsonObject content) => File.WriteAllText(Path.Combine(Folder, name), content.ToJsonString());

    private static JsonObject Config() => new()
    {
        ["architectures"] = new JsonArray("CLIPModel"),
        ["model_type"] = "clip",
        ["projection_dim"] = Width,
        ["logit_scale_init_value"] = 2.6592,
        ["initializer_range"] = 0.2,
        ["text_config"] = Tower(16, new()
        {
            ["vocab_size"] = s_words.Length, ["max_position_embeddings"] = 10, ["bos_token_id"] = 0, ["eos_token_id"] = 1,
        }),
        ["vision_config"] = Tower(24, new() { ["image_size"] = Side, ["patch_size"] = 8, ["num_channels"] = 3 }),
    };

    private static JsonObject Tower(int hidden, JsonObject tower)
    {
        tower["hidden_size"] = hidden;
        tower["intermediate_size"] = 2 * hidden;
        tower["num_hidden_layers"] = 2;
        tower["num_attention_heads"] = 4;
        tower["hidden_act"] = "quick_gelu";
        return tower;
    }

    private static JsonObject Tokenizer() => new()
    {
        ["version"] = "1.0",
        ["added_tokens"] = new JsonArray([.. s_words.Take(3).Select((word, id) => new JsonObject
        {
            ["id"] = id, ["content"] = word, ["single_word"] = false, ["lstrip"] = false, ["rstrip"] = false, ["normalized"] = false, ["special"] = true,
        })]),
        ["normalizer"] = new JsonObject { ["type"] = "Lowercase" },
        ["pre_tokenizer"] = new JsonObject { ["type"] = "Whitespace" },
        ["post_processor"] = new JsonObject { ["type"] = "BertProcessing", ["sep"] = new JsonArray(s_words[1], 1), ["cls"] = new JsonArray(s_words[0], 0) },
        ["model"] = new JsonObject
        {
            ["type"] = "WordPiece", ["unk_token"] = s_words[2], ["continuing_subword_prefix"] = "##", ["max_input_chars_per_word"] = 100,
            ["vocab"] = new JsonObject(s_words.Select((word, id) => KeyValuePair.Create(word, (JsonNode?)id))),
        },
    };

    private static JsonObject Pictures() => new()
    {
        ["image_processor_type"] = "CLIPImageProcessor",
        ["size"] = new JsonObject { ["shortest_edge"] = Side },
        ["crop_size"] = new JsonObject { ["height"] = Side, ["width"] = Side },
        ["do_center_crop"] = true,
        ["resample"] = 3,
        ["image_mean"] = new JsonArray(0.48145466, 0.4578275, 0.40821073),
        ["image_std"] = new JsonArray(0.26862954, 0.26130258, 0.27577711),
    };
}
