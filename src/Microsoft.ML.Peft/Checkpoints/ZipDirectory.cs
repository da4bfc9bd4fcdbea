using System.Buffers.Binary;
using System.Text;
using Microsoft.ML.Peft.Interop;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>
/// Where the entries of a zip file lie. The framework's own reader does not tell, and mapping an entry in place needs it.
/// Only stored entries are given out, as PyTorch writes all but the code of modules.
/// </summary>
internal sealed class ZipDirectory
{
    private const uint EndSignature = 0x06054b50, End64Signature = 0x06064b50, Locator64Signature = 0x07064b50;
    private const uint CentralSignature = 0x02014b50, LocalSignature = 0x04034b50;
    private const int EndSize = 22, Locator64Size = 20, End64Size = 56, CentralSize = 46, LocalSize = 30;
    private const int LongestComment = ushort.MaxValue;

    private readonly MappedFile _file;
    private readonly string _path;
    private readonly Dictionary<string, FileRegion> _entries = new(StringComparer.Ordinal);
    private readonly HashSet<string> _compressed = new(StringComparer.Ordinal);

    private ZipDirectory(MappedFile file, string path)
    {
        _file = file;
        _path = path;
        var (count, offset) = FindDirectory();
        for (long i = 0; i < count; i++)
            offset = ReadEntry(offset);
    }

    public IReadOnlyDictionary<string, FileRegion> Entries => _entries;

    /// <summary>The names of the entries that are compressed.</summary>
    public IReadOnlyCollection<string> Compressed => _compressed;

    public static ZipDirectory Read(MappedFile file, string path) => new(file, path);

    /// <summary>Whether a file begins as zip files do.</summary>
    public static bool IsZip(MappedFile file) =>
        file.Length >= sizeof(uint) && BinaryPrimitives.ReadUInt32LittleEndian(file.Bytes(0, sizeof(uint))) == LocalSignature;

    private (long Count, long Offset) FindDirectory()
    {
        long end = FindEnd();
        ReadOnlySpan<byte> record = Bytes(end, EndSize);
        long count = U16(record, 10), offset = U32(record, 16);
        if (end >= Locator64Size && U32(Bytes(end - Locator64Size, 4), 0) == Locator64Signature)
        {
            ReadOnlySpan<byte> record64 = Bytes(I64(Bytes(end - Locator64Size, Locator64Size), 8), End64Size);
            if (U32(record64, 0) != End64Signature)
                throw Malformed.File(_path, "a zip64 end record where its locator points", "none");
            (count, offset) = (I64(record64, 32), I64(record64, 48));
        }
        return (count, offset);
    }

    private long FindEnd()
    {
        for (long at = _file.Length - EndSize; at >= 0 && at >= _file.Length - EndSize - LongestComment; at--)
        {
            if (U32(Bytes(at, 4), 0) == EndSignature)
                return at;
        }
        throw Malformed.File(_path, "a zip directory at its end", "none: the file is cut off or no zip file");
    }

    private long ReadEntry(long at)
    {
        ReadOnlySpan<byte> record = Bytes(at, CentralSize);
        if (U32(record, 0) != CentralSignature)
            throw Malformed.File(_path, $"a zip directory entry at {at}", "none");
        int nameLength = U16(record, 28), extraLength = U16(record, 30), commentLength = U16(record, 32);
        string name = Encoding.UTF8.GetString(Bytes(at + CentralSize, nameLength));
        long packed = U32(record, 20), size = U32(record, 24), local = U32(record, 42);
        ReadZip64(Bytes(at + CentralSize + nameLength, extraLength), ref size, ref packed, ref local);
        bool stored = U16(record, 10) == 0 && packed == size;
        if (_entries.ContainsKey(name) || !(stored ? _entries.TryAdd(name, Locate(name, local, size)) : _compressed.Add(name)))
            throw Malformed.File(_path, $"one zip entry '{name}'", "two");
        return at + CentralSize + nameLength + extraLength + commentLength;
    }

    // Each field that does not fit in 32 bits is all ones there, and stands in the extra field in this order.
    private void ReadZip64(ReadOnlySpan<byte> extra, ref long size, ref long packed, ref long local)
    {
        while (extra.Length >= 4)
        {
            int id = U16(extra, 0), length = Math.Min(U16(extra, 2), extra.Length - 4);
            ReadOnlySpan<byte> field = extra.Slice(4, length);
            if (id == 1)
            {
                Take(ref field, ref size);
                Take(ref field, ref packed);
                Take(ref field, ref local);
            }
            extra = extra[(4 + length)..];
        }
    }

    private void Take(ref ReadOnlySpan<byte> field, ref long value)
    {
        if (value != uint.MaxValue)
            return;
        if (field.Length < sizeof(long))
            throw Malformed.File(_path, "64-bit sizes in a zip64 field", $"{field.Length} bytes");
        value = I64(field, 0);
        field = field[sizeof(long)..];
    }

    private FileRegion Locate(string name, long local, long size)
    {
        ReadOnlySpan<byte> header = Bytes(local, LocalSize);
        if (U32(header, 0) != LocalSignature)
            throw Malformed.File(_path, $"the header of the zip entry '{name}' at {local}", "none");
        long start = local + LocalSize + U16(header, 26) + U16(header, 28);
        if (size < 0 || start > _file.Length - size)
            throw Malformed.File(_path, $"{size} bytes of the zip entry '{name}' at {start}", $"a file of {_file.Length} bytes");
        return new(_path, start, size);
    }

    private byte[] Bytes(long offset, int count) => offset >= 0 && offset <= _file.Length - count
        ? _file.Bytes(offset, count)
        : throw Malformed.File(_path, $"{count} bytes of zip directory at {offset}", $"a file of {_file.Length} bytes");

    private static int U16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static long U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static long I64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadInt64LittleEndian(bytes[at..]);
}
