using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Tokenization.Gguf;

namespace Microsoft.ML.Peft.Tokenization;

/// <summary>
/// Finds out which of the known files a folder holds, and reads the most telling of them; where there is none, what a .gguf file says.
/// </summary>
internal static class TokenizerFolder
{
    /// <summary>OpenAI's merges of CLIP's tokenizer, compressed, which say the vocabulary too.</summary>
    private const string OpenAiMerges = "bpe_simple_vocab_16e6.txt.gz";

    private static readonly string[] SentencePieceNames = ["tokenizer.model", "spiece.model", "spm.model", "sentencepiece.bpe.model"];

    public static TextTokenizer Load(string folder)
    {
        folder = Path.GetFullPath(CheckpointFolder.FolderOf(folder));
        try
        {
            TokenizerConfig config = TokenizerConfig.In(folder);
            if (Read(folder, config) is var (pipeline, files))
            {
                return new TextTokenizer(pipeline, config, [.. files.Select(TokenizerFile.OnDisk), .. config.Files]);
            }
            return CheckpointFolder.FindGguf(folder) is { } gguf ? GgufTokenizer.Load(gguf, config) : throw new InvalidDataException(
                $"{folder}: no tokenizer found; looked for tokenizer.json, vocab.txt, vocab.json with merges.txt, {OpenAiMerges}, *.model and *.gguf. A model that comes without one needs the folder of one by TokenizerFolder.");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InvalidDataException($"{folder}: the tokenizer's files cannot be read: {exception.Message}", exception);
        }
    }

    /// <summary>Whether a folder holds a tokenizer's vocabulary.</summary>
    public static bool Has(string folder) => HasFiles(CheckpointFolder.FolderOf(folder));

    private static bool HasFiles(string folder) =>
        Find(folder, "tokenizer.json") is not null || Find(folder, "vocab.txt") is not null || Find(folder, "vocab.json") is not null
        || Find(folder, OpenAiMerges) is not null || FindSentencePiece(folder) is not null;

    private static (Pipeline Pipeline, string[] Files)? Read(string folder, TokenizerConfig config)
    {
        if (Find(folder, "tokenizer.json") is { } json)
        {
            return (TokenizerJson.Read(TokenizerFile.OnDisk(json)), [json]);
        }
        if (Find(folder, "vocab.txt") is { } words)
        {
            return (VocabularyReader.ReadWordPiece(words, config), [words]);
        }
        if (Find(folder, "vocab.json") is { } vocabulary && Find(folder, "merges.txt") is { } merges)
        {
            return (VocabularyReader.ReadBpe(vocabulary, merges, config), [vocabulary, merges]);
        }
        if (Find(folder, OpenAiMerges) is { } openAi)
        {
            return (VocabularyReader.ReadOpenAi(openAi, config), [openAi]);
        }
        if (FindSentencePiece(folder) is { } model)
        {
            return (SentencePieceReader.Read(TokenizerFile.OnDisk(model), config), [model]);
        }
        return null;
    }

    private static string? Find(string folder, string name)
    {
        string file = Path.Combine(folder, name);
        return File.Exists(file) ? file : null;
    }

    private static string? FindSentencePiece(string folder) =>
        SentencePieceNames.Select(name => Find(folder, name)).FirstOrDefault(file => file is not null)
        ?? (Directory.Exists(folder) ? Directory.GetFiles(folder, "*.model").Order(StringComparer.Ordinal).FirstOrDefault() : null);
}
