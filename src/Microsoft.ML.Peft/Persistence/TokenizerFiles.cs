using System.Security.Cryptography;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>A tokenizer's files by name, kept in memory so that a model can be saved when their folder is gone.</summary>
internal sealed class TokenizerFiles(IReadOnlyDictionary<string, byte[]> contents)
{
    private const string EntryPrefix = "tokenizer.", JsonName = "tokenizer.json";

    public static TokenizerFiles Of(TextTokenizer tokenizer) =>
        new(tokenizer.Files.ToDictionary(file => file.Name, file => file.Read(), StringComparer.Ordinal));

    public IReadOnlyList<HashedFile> Hashes => [.. contents.Select(file => new HashedFile(file.Key, Hash(file.Value)))];

    public void Write(ArchiveWriter archive)
    {
        foreach (var (name, content) in contents)
            archive.Write(EntryPrefix + name, stream => stream.Write(content));
    }

    public void Write(string folder)
    {
        foreach (var (name, content) in contents)
            File.WriteAllBytes(Path.Combine(folder, name), content);
    }

    /// <summary>The files of the same tokenizer with further tokens, whose ids follow on the last.</summary>
    /// <exception cref="ArgumentException">A token is empty, or in the vocabulary already.</exception>
    /// <exception cref="NotSupportedException">The tokenizer has no tokenizer.json.</exception>
    public TokenizerFiles With(IReadOnlyList<string> tokens, TextTokenizer tokenizer)
    {
        string? known = tokens.FirstOrDefault(token => string.IsNullOrEmpty(token) || tokenizer.IdOf(token) is not null)
            ?? tokens.GroupBy(token => token).FirstOrDefault(group => group.Count() > 1)?.Key;
        if (known is not null)
            throw new ArgumentException($"Tokens to add must be new, different and not empty: '{known}' is not.", nameof(tokens));
        if (!contents.TryGetValue(JsonName, out byte[]? json))
        {
            throw new NotSupportedException(
                $"Tokens can be added to a {JsonName}; the tokenizer consists of {string.Join(", ", contents.Keys)}.");
        }
        return new TokenizerFiles(new Dictionary<string, byte[]>(contents, StringComparer.Ordinal)
        {
            [JsonName] = GrownTokenizer.Add(json, tokenizer, tokens),
        });
    }

    /// <exception cref="InvalidDataException">A file is missing, or not the one that was saved.</exception>
    public static TokenizerFiles Read(ArchiveReader archive, IReadOnlyList<HashedFile> files) =>
        new(files.ToDictionary(file => file.Name, file => Read(archive, file), StringComparer.Ordinal));

    /// <summary>Makes the tokenizer, by way of a temporary folder.</summary>
    public TextTokenizer Load()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("peft-tokenizer-");
        try
        {
            Write(folder.FullName);
            return TextTokenizer.Load(folder.FullName);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static byte[] Read(ArchiveReader archive, HashedFile file)
    {
        // A name from an archive becomes a path: it must stay in its folder.
        if (file.Name != Path.GetFileName(file.Name))
            throw new InvalidDataException($"The archive names a tokenizer file '{file.Name}', which is no plain file name.");
        byte[] content = archive.ReadBytes(EntryPrefix + file.Name);
        string found = Hash(content);
        return found == file.Sha256 ? content : throw new InvalidDataException(
            $"The archive's tokenizer file '{file.Name}' has SHA-256 {found}, but its manifest says {file.Sha256}.");
    }

    private static string Hash(byte[] content) => Convert.ToHexString(SHA256.HashData(content)).ToLowerInvariant();
}
