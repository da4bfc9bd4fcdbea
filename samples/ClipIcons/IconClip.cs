using System.Text.Json.Nodes;

namespace ClipIcons;

/// <summary>A CLIP that two cores train in minutes: a folder with configuration, tokenizer and settings of pictures, and no weights.</summary>
internal static class IconClip
{
    public const int Side = 32;

    private const string Start = "<|startoftext|>", End = "<|endoftext|>", Unknown = "<unk>";
    private const int LongestText = 24, Patch = 8, Space = 96;

    /// <param name="folder">Where.</param>
    /// <param name="captions">What the tokenizer's words come from.</param>
    public static string WriteFolder(string folder, IEnumerable<string> captions)
    {
        string[] vocabulary = Vocabulary(captions);
        Directory.CreateDirectory(folder);
        Write("config.json", Config(vocabulary.Length));
        Write("tokenizer.json", Tokenizer(vocabulary));
        Write("tokenizer_config.json", new JsonObject
        {
            ["tokenizer_class"] = "CLIPTokenizer", ["model_max_length"] = LongestText,
            ["bos_token"] = Start, ["eos_token"] = End, ["pad_token"] = End, ["unk_token"] = Unknown,
        });
        Write("preprocessor_config.json", Pictures());
        return folder;

        void Write(string name, JsonObject content) => File.WriteAllText(Path.Combine(folder, name), content.ToJsonString());
    }

    // Whole words as far as they were seen; a word that was not is spelt.
    private static string[] Vocabulary(IEnumerable<string> captions)
    {
        IEnumerable<string> words = captions.SelectMany(caption => caption.Split(' ')).Distinct().Order(StringComparer.Ordinal);
        string[] letters = [.. "abcdefghijklmnopqrstuvwxyz0123456789".Select(letter => letter.ToString())];
        return [.. new[] { Start, End, Unknown }.Concat(letters).Concat(letters.Select(letter => "##" + letter)).Concat(words).Distinct()];
    }

    private static JsonObject Config(int vocabulary) => new()
    {
        ["architectures"] = new JsonArray("CLIPModel"),
        ["model_type"] = "clip",
        ["projection_dim"] = Space,
        ["logit_scale_init_value"] = 2.6592,
        ["initializer_range"] = 0.02,
        ["text_config"] = Tower(96, 2, new() { ["vocab_size"] = vocabulary, ["max_position_embeddings"] = LongestText, ["bos_token_id"] = 0, ["eos_token_id"] = 1 }),
        ["vision_config"] = Tower(96, 3, new() { ["image_size"] = Side, ["patch_size"] = Patch, ["num_channels"] = 3 }),
    };

    private static JsonObject Tower(int hidden, int layers, JsonObject tower)
    {
        tower["hidden_size"] = hidden;
        tower["intermediate_size"] = 4 * hidden;
        tower["num_hidden_layers"] = layers;
        tower["num_attention_heads"] = 4;
        tower["hidden_act"] = "quick_gelu";
        return tower;
    }

    private static JsonObject Tokenizer(string[] vocabulary) => new()
    {
        ["version"] = "1.0",
        ["added_tokens"] = new JsonArray([.. vocabulary.Take(3).Select((word, id) => new JsonObject
        {
            ["id"] = id, ["content"] = word, ["single_word"] = false, ["lstrip"] = false, ["rstrip"] = false, ["normalized"] = false, ["special"] = true,
        })]),
        ["normalizer"] = new JsonObject { ["type"] = "Lowercase" },
        ["pre_tokenizer"] = new JsonObject { ["type"] = "Whitespace" },
        ["post_processor"] = new JsonObject { ["type"] = "BertProcessing", ["sep"] = new JsonArray(End, 1), ["cls"] = new JsonArray(Start, 0) },
        ["model"] = new JsonObject
        {
            ["type"] = "WordPiece", ["unk_token"] = Unknown, ["continuing_subword_prefix"] = "##", ["max_input_chars_per_word"] = 100,
            ["vocab"] = new JsonObject(vocabulary.Select((word, id) => KeyValuePair.Create(word, (JsonNode?)id))),
        },
    };

    private static JsonObject Pictures() => new()
    {
        ["image_processor_type"] = "CLIPImageProcessor",
        ["size"] = new JsonObject { ["shortest_edge"] = Side },
        ["crop_size"] = new JsonObject { ["height"] = Side, ["width"] = Side },
        ["do_center_crop"] = true,
        ["resample"] = 3,
        ["image_mean"] = new JsonArray(0.5, 0.5, 0.5),
        ["image_std"] = new JsonArray(0.5, 0.5, 0.5),
    };
}
