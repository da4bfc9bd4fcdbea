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
        WriteTokenizer(Folder);
        Write("preprocessor_config.json", Pictures());
        Registries.Shared.Include(typeof(VisionLanguageCatalog).Assembly);
        using PretrainedModel model = ModelRegistry.Create(HfConfig.Load(Folder), null, CPU, seed);
        // By name, as Hugging Face's tools write: an archive then holds the very bytes, and sums over them the very bits.
        SafetensorsWriter.WriteFile(Path.Combine(Folder, "model.safetensors"), model.Weights.All.Concat(model.Weights.Constants).OrderBy(p => p.Name, StringComparer.Ordinal).Select(p => (p.Name, p.Value)));
    }

    public string Folder { get; }

    public void Dispose()
    {
        if (Directory.Exists(Folder))
            Directory.Delete(Folder, recursive: true);
    }

    /// <summary>Makes the configuration one of a SigLIP, whose towers are equally wide.</summary>
    public static void AsSiglip(JsonObject config)
    {
        (config["architectures"], config["model_type"]) = (new JsonArray("SiglipModel"), "siglip");
        foreach (string tower in new[] { "text_config", "vision_config" })
        {
            JsonObject own = config[tower]!.AsObject();
            (own["hidden_size"], own["intermediate_size"], own["hidden_act"]) = (Width, 2 * Width, "gelu_pytorch_tanh");
        }
        config["text_config"]!["pad_token_id"] = 1;
    }

    /// <summary>Writes the tokenizer alone.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="endsLast">Whether the end token has the highest id, as in OpenAI's vocabulary; else it has 1.</param>
    public static void WriteTokenizer(string folder, bool endsLast = false)
    {
        Write(folder, "tokenizer.json", Tokenizer(endsLast ? [.. s_words.Where(word => word != s_words[1]), s_words[1]] : s_words));
        Write(folder, "tokenizer_config.json", new JsonObject
        {
            ["tokenizer_class"] = "CLIPTokenizer", ["model_max_length"] = 10, ["bos_token"] = s_words[0], ["eos_token"] = s_words[1], ["pad_token"] = s_words[1], ["unk_token"] = s_words[2],
        });
    }

    private void Write(string name, JsonObject content) => Write(Folder, name, content);

    private static void Write(string folder, string name, JsonObject content) => File.WriteAllText(Path.Combine(folder, name), content.ToJsonString());

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

    private static JsonObject Tokenizer(string[] words) => new()
    {
        ["version"] = "1.0",
        ["added_tokens"] = new JsonArray([.. s_words.Take(3).Select(word => new JsonObject
        {
            ["id"] = Array.IndexOf(words, word), ["content"] = word, ["single_word"] = false, ["lstrip"] = false, ["rstrip"] = false, ["normalized"] = false, ["special"] = true,
        })]),
        ["normalizer"] = new JsonObject { ["type"] = "Lowercase" },
        ["pre_tokenizer"] = new JsonObject { ["type"] = "Whitespace" },
        ["post_processor"] = new JsonObject { ["type"] = "BertProcessing", ["sep"] = new JsonArray(s_words[1], Array.IndexOf(words, s_words[1])), ["cls"] = new JsonArray(s_words[0], 0) },
        ["model"] = new JsonObject
        {
            ["type"] = "WordPiece", ["unk_token"] = s_words[2], ["continuing_subword_prefix"] = "##", ["max_input_chars_per_word"] = 100,
            ["vocab"] = new JsonObject(words.Select((word, id) => KeyValuePair.Create(word, (JsonNode?)id))),
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
