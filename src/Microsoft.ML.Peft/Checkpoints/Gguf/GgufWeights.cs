using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Checkpoints.Gguf;

/// <summary>The weights of a GGUF file under their Hugging Face names, laid out as there.</summary>
internal sealed class GgufWeights : ITensorSource
{
    private readonly GgufFile _file;
    private readonly Dictionary<string, (string Stored, Arrangement Arrangement)> _weights = new(StringComparer.Ordinal);

    private GgufWeights(GgufFile file)
    {
        _file = file;
        GgufArchitecture architecture = GgufArchitecture.Of(file);
        var settings = new GgufSettings(file, architecture.Key);
        foreach (string stored in file.Names.Where(stored => !IsTied(stored)))
            Add(stored, architecture, settings);
    }

    public string Description => _file.Description;

    public IReadOnlyList<FileRegion> Files => _file.Files;

    public IReadOnlyCollection<string> Names => _weights.Keys;

    public Action<Stream> CopyTo => _file.CopyTo;

    public static GgufWeights Open(string path) => Open(path, 0, FileRegion.Target(path).Length);

    public static GgufWeights Open(string path, long offset, long length)
    {
        GgufFile file = GgufFile.Open(path, offset, length);
        try
        {
            return new(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public long[] ShapeOf(string name)
    {
        var (stored, arrangement) = Find(name);
        return arrangement.ShapeOf(_file.ShapeOf(stored));
    }

    public ScalarType TypeOf(string name) => _file.TypeOf(Find(name).Stored);

    public bool IsView(string name)
    {
        var (stored, arrangement) = Find(name);
        return arrangement == Arrangement.AsIs && _file.IsView(stored);
    }

    public Tensor Read(string name)
    {
        var (stored, arrangement) = Find(name);
        return arrangement.Restore(_file.Read(stored));
    }

    public void Dispose() => _file.Dispose();

    // Some converters write a tied table twice; one copy is enough.
    private bool IsTied(string stored) => stored == GgufArchitecture.OutputTable && _file.Has(GgufArchitecture.TokenTable)
        && _file.AreCopies(stored, GgufArchitecture.TokenTable);

    private void Add(string stored, GgufArchitecture architecture, GgufSettings settings)
    {
        int dot = stored.LastIndexOf('.');
        if (dot < 0 || stored[(dot + 1)..] is not ("weight" or "bias") || architecture.Find(stored[..dot]) is not { } found)
            throw new NotSupportedException($"{Description}: tensor '{stored}' is none that architecture '{architecture.Key}' is known to have.");
        if (found.Module.Name is not { } name)
            return;
        Arrangement arrangement = found.Module.Arrangement(settings);
        if (arrangement.Refuses(_file.ShapeOf(stored)) is { } needed)
            throw Malformed.Tensor(Description, stored, needed, Malformed.Shape(_file.ShapeOf(stored)));
        _weights[name.Replace("*", found.Layer, StringComparison.Ordinal) + stored[dot..]] = (stored, arrangement);
    }

    private (string Stored, Arrangement Arrangement) Find(string name) =>
        _weights.TryGetValue(name, out var found) ? found : throw Malformed.NoTensor(Description, name);
}
