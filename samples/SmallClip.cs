using System.Text.Json.Nodes;

namespace SmallModels;

/// <summary>What the folders of small CLIPs have in common, as Hugging Face lays them out: all but the weights.</summary>
/// <param name="vocabulary">The tokenizer's words, <see cref="Special"/> among them; a word that begins with ## goes on with one.</param>
/// <param name="longestText">Tokens of a text at most.</param>
internal sealed class SmallClip(IReadOnlyList<string> vocabulary, int longestText)
{
    private const string Start = "<|startoftext|>", End = "<|endoftext|>", Unknown = "<unk>";

    /// <summary>The tokens that begin a text, end it, and stand for what is not known.</summary>
    public static IReadOnlyList<string> Special { get; } = [Start, End, Unknown];

    /// <summary>A configuration of both towers, which may still be changed.</summary>
    /// <param name="space">The width of the space of pictures and texts.</param>
    /// <param name="side">The side of a picture in pixels.</param>
    /// <param name="patch">The side of a patch.</param>
    /// <param name="pictures">Width and layers of the tower of pictures.</param>
    /// <param name="texts">Those of the tower of texts.</param>
    public JsonObject Config(int space, int side, int patch, (int Width, int Layers) pictures, (int Width, int Layers) texts) => new()
    {
        ["architectures"] = new JsonArray("CLIPModel"),
        ["model_type"] = "clip",
        ["projection_dim"] = space,
        ["logit_scale_init_value"] = 2.6592,
        ["text_config"] = Tower(texts, new()
        {
            ["vocab_size"] = vocabulary.Count, ["max_position_embeddings"] = longestText, ["bos_token_id"] = IdOf(Start), ["eos_token_id"] = IdOf(End),
        }),
        ["vision_config"] = Tower(pictures, new() { ["image_size"] = side, ["patch_size"] = patch, ["num_channels"] = 3 }),
    };

    /// <summary>How pictures are prepared.</summary>
    /// <param name="side">The side of a picture in pixels.</param>
    /// <param name="mean">What is taken off each channel.</param>
    /// <param name="deviation">What it is divided by.</param>
    public static JsonObject Pictures(int side, double[] mean, double[] deviation) => new()
    {
        ["image_processor_type"] = "CLIPImageProcessor",
        ["size"] = new JsonObject { ["shortest_edge"] = side },
        ["crop_size"] = new JsonObject { ["height"] = side, ["width"] = side },
        ["do_center_crop"] = true,
        ["resample"] = 3,
        ["image_mean"] = new JsonArray([.. mean]),
        ["image_std"] = new JsonArray([.. deviation]),
    };

    public static void Write(string folder, JsonObject config, JsonObject pictures)
    {
        Directory.CreateDirectory(folder);
        Write(folder, "config.json", config);
        Write(folder, "preprocessor_config.json", pictures);
    }

    /// <summary>Writes the tokenizer: whole words as far as the vocabulary goes, in small letters.</summary>
    public void WriteTokenizer(string folder)
    {
        Write(folder, "tokenizer.json", Tokenizer());
        Write(folder, "tokenizer_config.json", new JsonObject
        {
            ["tokenizer_class"] = "CLIPTokenizer", ["model_max_length"] = longestText,
            ["bos_token"] = Start, ["eos_token"] = End, ["pad_token"] = End, ["unk_token"] = Unknown,
        });
    }

    private JsonObject Tokenizer() => new()
    {
        ["version"] = "1.0",
        ["added_tokens"] = new JsonArray([.. Special.Select(word => new JsonObject
        {
            ["id"] = IdOf(word), ["content"] = word, ["single_word"] = false, ["lstrip"] = false, ["rstrip"] = false, ["normalized"] = false, ["special"] = true,
        })]),
        ["normalizer"] = new JsonObject { ["type"] = "Lowercase" },
        ["pre_tokenizer"] = new JsonObject { ["type"] = "Whitespace" },
        ["post_processor"] = new JsonObject { ["type"] = "BertProcessing", ["sep"] = new JsonArray(End, IdOf(End)), ["cls"] = new JsonArray(Start, IdOf(Start)) },
        ["model"] = new JsonObject
        {
            ["type"] = "WordPiece", ["unk_token"] = Unknown, ["continuing_subword_prefix"] = "##", ["max_input_chars_per_word"] = 100,
            ["vocab"] = new JsonObject(vocabulary.Select((word, id) => KeyValuePair.Create(word, (JsonNode?)id))),
        },
    };

    private int IdOf(string word) => vocabulary.Index().First(entry => entry.Item == word).Index;

    private static JsonObject Tower((int Width, int Layers) size, JsonObject tower)
    {
        tower["hidden_size"] = size.Width;
        tower["intermediate_size"] = 4 * size.Width;
        tower["num_hidden_layers"] = size.Layers;
        tower["num_attention_heads"] = 4;
        tower["hidden_act"] = "quick_gelu";
        return tower;
    }

    private static void Write(string folder, string name, JsonObject content) => File.WriteAllText(Path.Combine(folder, name), content.ToJsonString());
}
