using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Data;

/// <summary>Texts alone: a tokenizer with its files.</summary>
internal sealed class TextProcessor : InputProcessor
{
    private const string JsonName = "tokenizer.json";

    private TextProcessor(TextTokenizer tokenizer, IReadOnlyDictionary<string, byte[]> files) => (TokenizerOrNull, Files) = (tokenizer, files);

    public TextProcessor(TextTokenizer tokenizer)
        : this(tokenizer, tokenizer.Files.ToDictionary(file => file.Name, file => file.Read(), StringComparer.Ordinal))
    {
    }

    public override IReadOnlyDictionary<string, byte[]> Files { get; }

    public override TextTokenizer TokenizerOrNull { get; }

    /// <summary>The tokenizer of a model's folder, or of a .gguf file.</summary>
    public static TextProcessor Load(string folder) => new(TextTokenizer.Load(folder));

    /// <summary>Makes the tokenizer of files that were saved, by way of a temporary folder.</summary>
    public static TextProcessor Of(IReadOnlyDictionary<string, byte[]> files)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("peft-tokenizer-");
        try
        {
            foreach (var (name, content) in files)
                File.WriteAllBytes(Path.Combine(folder.FullName, name), content);
            return new TextProcessor(TextTokenizer.Load(folder.FullName), files);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>The same with further special tokens, whatever its files are; itself where there are none.</summary>
    public TextProcessor WithSpecialTokens(IReadOnlyList<string> tokens) => tokens.Count == 0 ? this : Of(new Dictionary<string, byte[]>(Files, StringComparer.Ordinal)
    {
        [TokenizerConfig.FileName] = GrownTokenizer.AddSpecial(Files.GetValueOrDefault(TokenizerConfig.FileName), TokenizerOrNull, tokens),
    });

    public override InputProcessor WithTokens(IReadOnlyList<string> tokens)
    {
        string? known = tokens.FirstOrDefault(token => string.IsNullOrEmpty(token) || Tokenizer.IdOf(token) is not null)
            ?? tokens.GroupBy(token => token).FirstOrDefault(group => group.Count() > 1)?.Key;
        if (known is not null)
            throw new ArgumentException($"Tokens to add must be new, different and not empty: '{known}' is not.", nameof(tokens));
        if (!Files.TryGetValue(JsonName, out byte[]? json))
            throw new NotSupportedException($"Tokens can be added to a {JsonName}; the tokenizer consists of {string.Join(", ", Files.Keys)}.");
        return Of(new Dictionary<string, byte[]>(Files, StringComparer.Ordinal) { [JsonName] = GrownTokenizer.Add(json, Tokenizer, tokens) });
    }
}
