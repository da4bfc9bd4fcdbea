using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Models;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>A folder with a BERT of a few thousand random weights and a tokenizer of a few words, as Hugging Face lays it out.</summary>
public sealed class TinyBert : IDisposable
{
    private static readonly string[] s_words =
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "fine", "awful", "great", "poor", "film", "book", "the", "a", "very", "not", "and"];

    /// <param name="seed">Of the weights.</param>
    /// <param name="change">Changes config.json.</param>
    /// <param name="fillsMasks">Whether there is a head that fills masks; else a pooler.</param>
    public TinyBert(long seed = 1, Action<JsonObject>? change = null, bool fillsMasks = false)
    {
        JsonObject config = Config();
        change?.Invoke(config);
        Folder = Directory.CreateTempSubdirectory("tiny-bert-").FullName;
        File.WriteAllText(Path.Combine(Folder, "config.json"), config.ToJsonString());
        File.WriteAllText(Path.Combine(Folder, "tokenizer.json"), Tokenizer().ToJsonString());
        File.WriteAllText(Path.Combine(Folder, "tokenizer_config.json"), TokenizerConfig().ToJsonString());
        WriteWeights(seed, fillsMasks);
    }

    public string Folder { get; }

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    private void WriteWeights(long seed, bool fillsMasks)
    {
        using PretrainedModel model = ModelRegistry.Create(HfConfig.Load(Folder), null, CPU, seed);
        _ = fillsMasks ? model.As<IMaskedLanguageModel>().CreateMaskedLanguageModelHead() : model.As<ISequenceClassifier>().CreateSequenceClassificationHead(2);
        SafetensorsWriter.WriteFile(
            Path.Combine(Folder, "model.safetensors"),
            model.Weights.All.Where(p => !p.Name.StartsWith("classifier", StringComparison.Ordinal)).Select(p => (p.Name, p.Value)));
    }

    private static JsonObject Config() => new()
    {
        ["model_type"] = "bert",
        ["vocab_size"] = s_words.Length,
        ["hidden_size"] = 16,
        ["num_hidden_layers"] = 2,
        ["num_attention_heads"] = 2,
        ["intermediate_size"] = 32,
        ["max_position_embeddings"] = 32,
        ["type_vocab_size"] = 2,
        ["initializer_range"] = 0.2,
        ["hidden_act"] = "gelu",
        ["hidden_dropout_prob"] = 0.0,
        ["attention_probs_dropout_prob"] = 0.0,
        ["layer_norm_eps"] = 1e-12,
    };

    private static JsonObject Tokenizer() => new()
    {
        ["version"] = "1.0",
        ["added_tokens"] = new JsonArray([.. s_words.Take(5).Select((word, id) => new JsonObject
        {
            ["id"] = id, ["content"] = word, ["single_word"] = false, ["lstrip"] = false, ["rstrip"] = false, ["normalized"] = false, ["special"] = true,
        })]),
        ["normalizer"] = new JsonObject { ["type"] = "BertNormalizer", ["clean_text"] = true, ["handle_chinese_chars"] = true, ["lowercase"] = true },
        ["pre_tokenizer"] = new JsonObject { ["type"] = "BertPreTokenizer" },
        ["post_processor"] = new JsonObject
        {
            ["type"] = "BertProcessing", ["sep"] = new JsonArray("[SEP]", 3), ["cls"] = new JsonArray("[CLS]", 2),
        },
        ["decoder"] = new JsonObject { ["type"] = "WordPiece", ["prefix"] = "##", ["cleanup"] = true },
        ["model"] = new JsonObject
        {
            ["type"] = "WordPiece", ["unk_token"] = "[UNK]", ["continuing_subword_prefix"] = "##", ["max_input_chars_per_word"] = 100,
            ["vocab"] = new JsonObject(s_words.Select((word, id) => KeyValuePair.Create(word, (JsonNode?)id))),
        },
    };

    private static JsonObject TokenizerConfig() => new()
    {
        ["tokenizer_class"] = "BertTokenizer",
        ["model_max_length"] = 32,
        ["pad_token"] = "[PAD]",
        ["unk_token"] = "[UNK]",
        ["cls_token"] = "[CLS]",
        ["sep_token"] = "[SEP]",
        ["mask_token"] = "[MASK]",
    };
}
