using Microsoft.ML.Peft.Interop;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>Named tensors in a mapped file, or in a range of one.</summary>
/// <typeparam name="T">What the file says of a tensor.</typeparam>
internal abstract class MappedTensors<T>(MappedFile mapping, FileRegion region) : ITensorSource
{
    public string Description { get; } = region.Path;

    public IReadOnlyList<FileRegion> Files { get; } = [region];

    public IReadOnlyCollection<string> Names => Entries.Keys;

    public abstract Dictionary<string, T> Entries { get; }

    protected MappedFile Mapping { get; } = mapping;

    public abstract long[] ShapeOf(string name);

    public abstract Tensor Read(string name);

    public void Dispose() => Mapping.Dispose();

    protected T Find(string name) =>
        Entries.TryGetValue(name, out T? entry) ? entry : throw Malformed.NoTensor(Description, name);

    /// <summary>Maps a region and reads what lies in it; where that fails, the mapping goes.</summary>
    protected static TFile Open<TFile>(FileRegion region, Func<MappedFile, FileRegion, TFile> read)
    {
        MappedFile mapping = MappedFile.Open(region.Path, region.Offset, region.Length);
        try
        {
            LfsPointer.Refuse(mapping, region.Path);
            return read(mapping, region);
        }
        catch
        {
            mapping.Dispose();
            throw;
        }
    }
}
