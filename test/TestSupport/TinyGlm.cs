using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>A folder with a small GLM of random weights and a tokenizer as the published folders lay one out.</summary>
public sealed class TinyGlm : IDisposable
{
    /// <summary>GLM in English, in Chinese over BERT's words, and over SentencePiece.</summary>
    public static readonly string[] Kinds = ["GLMGPT2Tokenizer", "GLMBertTokenizer", "GLMChineseTokenizer"];

    private static readonly string[] s_words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "good", "bad", "film", "book", "is", "a", "very", "and", "great", "awful", "not", "poor", "fine", "."];

    private static readonly string[] s_added = ["[CLS]", "[SEP]", "[MASK]", "[sMASK]", "[gMASK]", "<|startofpiece|>", "<|endofpiece|>", "<|endoftext|>"];

    /// <param name="kind">The class of the tokenizer.</param>
    /// <param name="change">Changes config.json.</param>
    /// <param name="without">A special token that is left out.</param>
    public TinyGlm(string kind = "GLMGPT2Tokenizer", Action<JsonObject>? change = null, string? without = null)
    {
        Folder = Directory.CreateTempSubdirectory("tiny-glm-").FullName;
        int size = WriteVocabulary(kind);
        string[] words = kind == Kinds[1] ? s_words : [];
        string[] added = [.. s_added.Where(token => token != without && !words.Contains(token) && !(kind == Kinds[1] && token == "<|endoftext|>"))];
        Write("added_tokens.json", new JsonObject(added.Select((token, i) => KeyValuePair.Create(token, (JsonNode?)(size + i)))));
        Write("tokenizer_config.json", TokenizerConfig(kind, added));
        JsonObject config = Config(size + added.Length);
        change?.Invoke(config);
        Write(HfConfig.FileName, config);
        using PretrainedModel model = ModelRegistry.Create(HfConfig.Load(Folder), null, CPU, seed: 1);
        SafetensorsWriter.WriteFile(Path.Combine(Folder, "model.safetensors"), model.Weights.All.DistinctBy(p => p.Value.Handle).Select(p => (p.Name, p.Value)));
    }

    public string Folder { get; }

    internal TextTokenizer Tokenizer => TextTokenizer.Load(Folder);

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    private static JsonObject Config(int vocabulary) => new()
    {
        ["architectures"] = new JsonArray("GLMForConditionalGeneration"),
        ["model_type"] = "glm",
        ["vocab_size"] = vocabulary,
        ["hidden_size"] = 32,
        ["num_layers"] = 2,
        ["num_attention_heads"] = 4,
        ["max_sequence_length"] = 96,
        ["initializer_range"] = 0.2,
        ["embedding_dropout_prob"] = 0.0,
        ["attention_dropout_prob"] = 0.0,
        ["output_dropout_prob"] = 0.0,
    };

    private static JsonObject TokenizerConfig(string kind, string[] added)
    {
        var config = new JsonObject { ["tokenizer_class"] = kind, ["additional_special_tokens"] = new JsonArray([.. added.Select(token => (JsonNode)token)]) };
        if (kind == Kinds[1])
            return config;
        foreach (var (role, token) in new[] { ("cls_token", "[CLS]"), ("sep_token", "[SEP]"), ("mask_token", "[MASK]"), ("eos_token", "<|endoftext|>"), ("pad_token", "<|endoftext|>") })
        {
            if (added.Contains(token))
                config[role] = token;
        }
        return config;
    }

    private int WriteVocabulary(string kind)
    {
        if (kind == Kinds[1])
        {
            File.WriteAllText(Path.Combine(Folder, "vocab.txt"), string.Join('\n', s_words) + "\n");
            return s_words.Length;
        }
        if (kind == Kinds[2])
        {
            string[] pieces = ["▁", .. s_words[5..].Select(word => "▁" + word), .. Enumerable.Range('!', '~' - '!' + 1).Select(character => ((char)character).ToString())];
            File.WriteAllBytes(Path.Combine(Folder, "cog-pretrain.model"), TinySentencePiece.Unigram(pieces));
            return pieces.Length + 3;
        }
        Write("vocab.json", new JsonObject(Enumerable.Range(0, 256).Select(value => KeyValuePair.Create(ByteAlphabet.Character((byte)value).ToString(), (JsonNode?)value))));
        File.WriteAllText(Path.Combine(Folder, "merges.txt"), "#version: 0.2\n");
        return 256;
    }

    private void Write(string name, JsonObject json) => File.WriteAllText(Path.Combine(Folder, name), json.ToJsonString());
}
