using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints.Gguf;

namespace Microsoft.ML.Peft.Tokenization.Gguf;

/// <summary>
/// The tokenizer in the metadata of a GGUF file. It is written back as the files that llama.cpp's converter read, so that one path
/// serves all, and a saved model carries these small files rather than the big one.
/// </summary>
internal static class GgufTokenizer
{
    private const string ModelKey = "tokenizer.ggml.model", TemplateKey = "tokenizer.chat_template";

    private static readonly Dictionary<string, Func<GgufVocabulary, GgufTokenizerParts>> s_models = new()
    {
        ["gpt2"] = BytePairFile.Write,
        ["llama"] = SentencePieceFile.Write,
    };

    /// <param name="path">The .gguf file.</param>
    /// <param name="config">The configuration beside it, which counts where there is one.</param>
    /// <exception cref="InvalidDataException">The metadata lack something, or something is out of range.</exception>
    /// <exception cref="NotSupportedException">The tokenizer, or its way to cut words, is not known.</exception>
    public static TextTokenizer Load(string path, TokenizerConfig config)
    {
        (GgufTokenizerParts parts, byte[] settings) = Read(path);
        if (config.Files.Count == 0)
            config = new([new(TokenizerConfig.FileName, $"{path}: tokenizer", () => settings)]);
        TokenizerFile file = new(parts.Name, $"{path}: tokenizer", () => parts.Contents);
        return new TextTokenizer(parts.Read(file, config), config, [file, .. config.Files]);
    }

    private static (GgufTokenizerParts Parts, byte[] Settings) Read(string path)
    {
        using GgufFile file = GgufFile.Open(path);
        string model = file.Metadata.Text(ModelKey) ?? throw new InvalidDataException($"{path}: no tokenizer: expected a string under '{ModelKey}', found nothing.");
        if (!s_models.TryGetValue(model, out var write))
            throw new NotSupportedException($"{path}: the tokenizer '{model}' under '{ModelKey}' is not read; known are {string.Join(", ", s_models.Keys)}. Keep the file in a folder with a tokenizer.json and name the folder.");
        GgufVocabulary vocabulary = new(file);
        GgufTokenizerParts parts = write(vocabulary);
        return (parts, JsonSerializer.SerializeToUtf8Bytes(Settings(file, vocabulary, parts)));
    }

    private static JsonObject Settings(GgufFile file, GgufVocabulary vocabulary, GgufTokenizerParts parts)
    {
        var json = new JsonObject
        {
            ["tokenizer_class"] = parts.ClassName,
            ["add_bos_token"] = parts.AddBos,
            ["add_eos_token"] = parts.AddEos,
            ["clean_up_tokenization_spaces"] = false,
        };
        foreach (var (role, id) in vocabulary.Roles)
            json[role] = vocabulary.Tokens[id];
        if (file.Metadata.Text("general.architecture") is { } architecture && file.Metadata.Integer($"{architecture}.context_length") is > 0 and var length)
            json["model_max_length"] = length;
        if (file.Metadata.Text(TemplateKey) is { } template)
            json["chat_template"] = template;
        foreach (var (name, value) in parts.Settings)
            json[name] = value?.DeepClone();
        return json;
    }
}

/// <summary>The main file of a tokenizer and what its configuration says.</summary>
internal sealed record GgufTokenizerParts(string Name, byte[] Contents, string ClassName, bool AddBos, bool AddEos)
{
    /// <summary>The reader of the file.</summary>
    public required Func<TokenizerFile, TokenizerConfig, Pipeline> Read { get; init; }

    public JsonObject Settings { get; init; } = [];
}
