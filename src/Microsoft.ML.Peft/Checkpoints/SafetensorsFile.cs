using System.Buffers.Binary;
using Microsoft.ML.Peft.Interop;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>A memory-mapped safetensors file, or one inside a range of another file. Its header is checked in full when opened.</summary>
internal sealed class SafetensorsFile : MappedTensors<TensorEntry>
{
    private const int LengthPrefix = sizeof(ulong);

    private readonly SafetensorsHeader _header;
    private readonly long _dataStart;

    private SafetensorsFile(MappedFile mapping, FileRegion region) : base(mapping, region)
    {
        int length = HeaderLength();
        _dataStart = LengthPrefix + length;
        _header = SafetensorsHeader.Parse(mapping.Bytes(LengthPrefix, length), mapping.Length - _dataStart, Description);
    }

    public override Dictionary<string, TensorEntry> Entries => _header.Entries;

    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    public static SafetensorsFile Open(string path) => Open(FileRegion.Whole(path), Create);

    public static SafetensorsFile Open(string path, long offset, long length) => Open(new FileRegion(path, offset, length), Create);

    public override long[] ShapeOf(string name) => Find(name).Shape;

    public override Tensor Read(string name)
    {
        TensorEntry entry = Find(name);
        return Mapping.Tensor(_dataStart + entry.Offset, entry.Type, entry.Shape);
    }

    private static SafetensorsFile Create(MappedFile mapping, FileRegion region) => new(mapping, region);

    private int HeaderLength()
    {
        if (Mapping.Length < LengthPrefix)
            throw Malformed.File(Description, $"a header length of {LengthPrefix} bytes", $"{Mapping.Length} bytes in all");
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(Mapping.Bytes(0, LengthPrefix));
        long most = Math.Min(Mapping.Length - LengthPrefix, SafetensorsHeader.LongestHeader);
        return length <= (ulong)most ? (int)length : throw Malformed.File(Description, $"a header of at most {most} bytes", $"{length}");
    }
}
