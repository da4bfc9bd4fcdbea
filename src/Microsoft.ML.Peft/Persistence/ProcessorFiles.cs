using System.Security.Cryptography;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>The files of an input processor in an archive.</summary>
internal static class ProcessorFiles
{
    // From when there were tokenizers alone.
    private const string EntryPrefix = "tokenizer.";

    public static void Write(ArchiveWriter archive, IReadOnlyDictionary<string, byte[]> files)
    {
        foreach (var (name, content) in files)
            archive.Write(EntryPrefix + name, stream => stream.Write(content));
    }

    public static IReadOnlyList<HashedFile> Hashes(IReadOnlyDictionary<string, byte[]> files) =>
        [.. files.Select(file => new HashedFile(file.Key, Hash(file.Value)))];

    /// <exception cref="InvalidDataException">A file is missing, or not the one that was saved.</exception>
    public static IReadOnlyDictionary<string, byte[]> Read(ArchiveReader archive, IReadOnlyList<HashedFile> files) =>
        files.ToDictionary(file => file.Name, file => Read(archive, file), StringComparer.Ordinal);

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
