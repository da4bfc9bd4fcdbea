using Microsoft.ML.Peft.Interop;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>The layout of PyTorch's files since 1.6: a zip file with <c>data.pkl</c> and one entry a storage, below one folder.</summary>
internal static class PyTorchZip
{
    private const string PickleName = "/data.pkl";

    public static (object? Root, IReadOnlyDictionary<string, FileRegion> Storages) Read(MappedFile file, string path)
    {
        ZipDirectory directory = ZipDirectory.Read(file, path);
        IReadOnlyDictionary<string, FileRegion> entries = directory.Entries;
        if (directory.Compressed.FirstOrDefault(IsNeeded) is { } compressed)
            throw new NotSupportedException($"{path}: the entry '{compressed}' is compressed; only stored entries are read, as torch.save writes them.");
        string pickle = entries.Keys.FirstOrDefault(name => name.EndsWith(PickleName, StringComparison.Ordinal))
            ?? throw Malformed.File(path, $"an entry *{PickleName}", "none");
        string folder = pickle[..^PickleName.Length];
        using MappedFile.Reading reading = file.Read();
        CheckByteOrder(reading, path, entries, $"{folder}/byteorder");
        object? root = PickleReader.Read(Bytes(reading, path, entries[pickle]), path, out _);
        string prefix = $"{folder}/data/";
        return (root, entries.Where(entry => entry.Key.StartsWith(prefix, StringComparison.Ordinal))
            .ToDictionary(entry => entry.Key[prefix.Length..], entry => entry.Value));
    }

    // Code is compressed, and nobody reads it.
    private static bool IsNeeded(string name) => !name.Contains("/code/", StringComparison.Ordinal);

    private static void CheckByteOrder(MappedFile.Reading file, string path, IReadOnlyDictionary<string, FileRegion> entries, string name)
    {
        if (entries.TryGetValue(name, out FileRegion order) && !Bytes(file, path, order).SequenceEqual("little"u8))
            throw new NotSupportedException($"{path}: only little-endian files are read.");
    }

    private static ReadOnlySpan<byte> Bytes(MappedFile.Reading file, string path, FileRegion entry) => entry.Length <= int.MaxValue
        ? file.Span(entry.Offset, (int)entry.Length)
        : throw Malformed.File(path, "a pickle of at most 2 GiB", $"{entry.Length} bytes");
}
