using System.Text.Json;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>Weights spread over several files, with an index that says which tensor is where.</summary>
internal sealed class ShardedSource : ITensorSource
{
    private readonly Dictionary<string, string> _fileOf;
    private readonly SortedDictionary<string, ITensorSource> _shards = new(StringComparer.Ordinal);

    private ShardedSource(string description, Dictionary<string, string> fileOf)
    {
        Description = description;
        _fileOf = fileOf;
    }

    public string Description { get; }

    public IReadOnlyCollection<string> Names => _fileOf.Keys;

    public IReadOnlyList<FileRegion> Files => [.. _shards.Values.SelectMany(shard => shard.Files)];

    /// <summary>Opens every shard that the index names, by way of <paramref name="open"/>.</summary>
    public static ShardedSource Open(string index, Func<string, ITensorSource> open)
    {
        var source = new ShardedSource(index, ReadIndex(index));
        try
        {
            source.OpenShards(Path.GetDirectoryName(index)!, open);
            return source;
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    /// <summary>The shards that an index names, in order.</summary>
    public static IEnumerable<string> ShardsOf(string index) =>
        ReadIndex(index).Values.Distinct().Order(StringComparer.Ordinal).Select(file => Path.Combine(Path.GetDirectoryName(index)!, file));

    public long[] ShapeOf(string name) => ShardOf(name).ShapeOf(name);

    public Tensor Read(string name) => ShardOf(name).Read(name);

    public void Dispose()
    {
        foreach (ITensorSource shard in _shards.Values)
            shard.Dispose();
    }

    private static Dictionary<string, string> ReadIndex(string index) => JsonText.Read(File.ReadAllBytes(index), index, root =>
    {
        if (!root.TryGetProperty("weight_map", out JsonElement map) || map.ValueKind != JsonValueKind.Object)
            throw Malformed.File(index, "an object under 'weight_map'", "none");
        var fileOf = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (JsonProperty pair in map.EnumerateObject())
        {
            string? file = pair.Value.ValueKind == JsonValueKind.String ? pair.Value.GetString() : null;
            if (string.IsNullOrEmpty(file) || file.AsSpan().IndexOfAny("/\\:") >= 0 || file is "." or "..")
                throw Malformed.Tensor(index, pair.Name, "the plain name of a file beside the index", JsonText.Excerpt(pair.Value));
            fileOf[pair.Name] = file;
        }
        return fileOf;
    });

    private void OpenShards(string folder, Func<string, ITensorSource> open)
    {
        foreach (string file in _fileOf.Values.Distinct())
        {
            string path = Path.Combine(folder, file);
            if (!File.Exists(path))
                throw new FileNotFoundException($"{Description}: expected a shard {file} beside it, found none.", path);
            _shards.Add(file, open(path));
        }
        foreach (var (name, file) in _fileOf)
        {
            if (!_shards[file].Names.Contains(name))
                throw Malformed.NoTensor(_shards[file].Description, name);
        }
    }

    private ITensorSource ShardOf(string name) =>
        _fileOf.TryGetValue(name, out string? file) ? _shards[file] : throw Malformed.NoTensor(Description, name);
}
