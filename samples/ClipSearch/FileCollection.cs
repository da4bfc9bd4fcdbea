using System.Text.Json;
using Microsoft.Extensions.AI;

namespace ClipSearch;

/// <summary>The same with a file that keeps the records; it is written beside and renamed, so that a broken run leaves the old one.</summary>
internal sealed class FileCollection : MemoryCollection
{
    private readonly string _file;

    /// <exception cref="JsonException">The file is none of ours.</exception>
    public FileCollection(string file, IEmbeddingGenerator<string, Embedding<float>> texts, IEmbeddingGenerator<DataContent, Embedding<float>> pictures)
        : base(texts, pictures)
    {
        _file = file;
        if (!File.Exists(file))
            return;
        using FileStream stream = File.OpenRead(file);
        foreach (PictureRecord record in JsonSerializer.Deserialize<PictureRecord[]>(stream) ?? [])
            Records[record.Path] = record;
    }

    protected override async Task SavedAsync(CancellationToken token)
    {
        string beside = _file + ".new";
        await using (FileStream stream = File.Create(beside))
            await JsonSerializer.SerializeAsync(stream, Records.Values.OrderBy(record => record.Path, StringComparer.Ordinal), cancellationToken: token);
        File.Move(beside, _file, overwrite: true);
    }
}
