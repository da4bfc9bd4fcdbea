using System.Buffers.Binary;
using Microsoft.ML.Peft.Interop;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>A memory-mapped safetensors file, or one inside a range of another file. Its header is checked in full when opened.</summary>
internal sealed class SafetensorsFile : ITensorSource
{
    private const int LengthPrefix = sizeof(ulong);

    private readonly MappedFile _mapping;
    private readonly SafetensorsHeader _header;
    private readonly long _dataStart;

    private SafetensorsFile(MappedFile mapping, FileRegion region)
    {
        _mapping = mapping;
        Description = region.Path;
        Files = [region];
        int length = HeaderLength();
        _dataStart = LengthPrefix + length;
        _header = SafetensorsHeader.Parse(mapping.Span(LengthPrefix, length).ToArray(), mapping.Length - _dataStart, Description);
    }

    public string Description { get; }

    public IReadOnlyList<FileRegion> Files { get; }

    public IReadOnlyDictionary<string, TensorEntry> Entries => _header.Entries;

    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    public IReadOnlyCollection<string> Names => _header.Entries.Keys;

    public static SafetensorsFile Open(string path) => Open(FileRegion.Whole(path));

    public static SafetensorsFile Open(string path, long offset, long length) => Open(new FileRegion(path, offset, length));

    public long[] ShapeOf(string name) => Entry(name).Shape;

    public Tensor Read(string name)
    {
        TensorEntry entry = Entry(name);
        return _mapping.Tensor(_dataStart + entry.Offset, entry.Type, entry.Shape);
    }

    public void Dispose() => _mapping.Dispose();

    private static SafetensorsFile Open(FileRegion region)
    {
        MappedFile mapping = MappedFile.Open(region.Path, region.Offset, region.Length);
        try
        {
            return new(mapping, region);
        }
        catch
        {
            mapping.Dispose();
            throw;
        }
    }

    private int HeaderLength()
    {
        if (_mapping.Length < LengthPrefix)
            throw Malformed.File(Description, $"a header length of {LengthPrefix} bytes", $"{_mapping.Length} bytes in all");
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(_mapping.Span(0, LengthPrefix));
        long most = Math.Min(_mapping.Length - LengthPrefix, SafetensorsHeader.LongestHeader);
        return length <= (ulong)most ? (int)length : throw Malformed.File(Description, $"a header of at most {most} bytes", $"{length}");
    }

    private TensorEntry Entry(string name) =>
        Entries.TryGetValue(name, out TensorEntry? entry) ? entry : throw Malformed.NoTensor(Description, name);
}
