using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using Microsoft.ML.Peft.Interop;

namespace Microsoft.ML.Peft.Checkpoints.Gguf;

/// <summary>The types of metadata values, by their numbers in the file.</summary>
internal enum GgufValueType : uint
{
    UInt8, Int8, UInt16, Int16, UInt32, Int32, Float32, Bool, String, Array, UInt64, Int64, Float64,
}

/// <summary>
/// The metadata of a GGUF file. Where each value lies is found and checked when the file is opened; values are decoded when asked
/// for, since a vocabulary holds hundreds of thousands of strings that those who want the weights do not need.
/// </summary>
internal sealed class GgufMetadata
{
    // Bytes by GgufValueType; strings and arrays have lengths of their own.
    private static readonly int[] s_sizes = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];

    private const int DeepestArray = 4;

    private readonly MappedFile _file;
    private readonly string _path;
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);

    public GgufMetadata(GgufReader reader, long count, MappedFile file, string path)
    {
        (_file, _path) = (file, path);
        for (long i = 0; i < count; i++)
        {
            reader.Subject = $"metadata key {i}";
            string key = reader.Name();
            reader.Subject = $"metadata key '{key}'";
            GgufValueType type = ReadType(reader);
            var entry = new Entry(type, reader.Position);
            SkipValue(reader, type, depth: 0);
            if (!_entries.TryAdd(key, entry))
                throw reader.Fail("one value", "two");
        }
    }

    public bool Has(string key) => _entries.ContainsKey(key);

    public string? Text(string key)
    {
        if (Find(key) is not { } entry)
            return null;
        using MappedFile.Reading reading = _file.Read();
        return entry.Type == GgufValueType.String ? ReaderAt(reading, key, entry.Offset).Text() : throw Wrong(key, "a string", entry);
    }

    public bool? Flag(string key) =>
        Find(key) is not { } entry ? null : entry.Type == GgufValueType.Bool ? _file.Bytes(entry.Offset, 1)[0] != 0 : throw Wrong(key, "a truth value", entry);

    /// <summary>An integer of any size.</summary>
    public long? Integer(string key) => Find(key) is { } entry ? AsInteger(key, entry) : null;

    /// <summary>A number; one of single precision as the shortest decimal that means it, so that 1e-5 stays 1e-5.</summary>
    public double? Number(string key) => Find(key) switch
    {
        null => null,
        { Type: GgufValueType.Float32 } entry => Shortest(Finite(key, BinaryPrimitives.ReadSingleLittleEndian(Bytes(entry)))),
        { Type: GgufValueType.Float64 } entry => Finite(key, BinaryPrimitives.ReadDoubleLittleEndian(Bytes(entry))),
        { } entry => AsInteger(key, entry),
    };

    /// <summary>A list of strings; null where the key is absent.</summary>
    public string[]? Texts(string key) => List(key, GgufValueType.String, "a list of strings", reader => reader.Text());

    public float[]? Singles(string key) =>
        List(key, GgufValueType.Float32, "a list of numbers of single precision", reader => BitConverter.UInt32BitsToSingle(reader.U32()));

    public int[]? Int32s(string key) => List(key, GgufValueType.Int32, "a list of integers of 32 bits", reader => (int)reader.U32());

    private static GgufValueType ReadType(GgufReader reader)
    {
        var type = (GgufValueType)reader.U32();
        return Enum.IsDefined(type) ? type : throw reader.Fail("a value type from 0 to 12", $"{(uint)type}");
    }

    private static void SkipValue(GgufReader reader, GgufValueType type, int depth)
    {
        if (type == GgufValueType.Array)
            SkipArray(reader, depth + 1);
        else if (type == GgufValueType.String)
            reader.Skip(reader.Count(1));
        else
            reader.Skip(s_sizes[(int)type]);
    }

    private static void SkipArray(GgufReader reader, int depth)
    {
        if (depth > DeepestArray)
            throw reader.Fail($"lists at most {DeepestArray} deep", "deeper ones");
        GgufValueType type = ReadType(reader);
        int size = s_sizes[(int)type];
        // A string takes its length at least, a list its type and count.
        long count = reader.Count(size > 0 ? size : type == GgufValueType.String ? sizeof(ulong) : sizeof(uint) + sizeof(ulong));
        if (size > 0)
        {
            reader.Skip(count * size);
            return;
        }
        for (long i = 0; i < count; i++)
            SkipValue(reader, type, depth);
    }

    private T[]? List<T>(string key, GgufValueType type, string expected, Func<GgufReader, T> read)
    {
        if (Find(key) is not { } entry)
            return null;
        if (entry.Type != GgufValueType.Array)
            throw Wrong(key, expected, entry);
        using MappedFile.Reading reading = _file.Read();
        GgufReader reader = ReaderAt(reading, key, entry.Offset);
        GgufValueType found = ReadType(reader);
        if (found != type)
            throw Malformed.File(_path, $"{expected} under '{key}'", $"a list of {found}");
        var list = new T[reader.Count(1)];
        for (int i = 0; i < list.Length; i++)
            list[i] = read(reader);
        return list;
    }

    private long AsInteger(string key, Entry entry) => entry.Type switch
    {
        GgufValueType.UInt8 => Bytes(entry)[0],
        GgufValueType.Int8 => (sbyte)Bytes(entry)[0],
        GgufValueType.UInt16 => BinaryPrimitives.ReadUInt16LittleEndian(Bytes(entry)),
        GgufValueType.Int16 => BinaryPrimitives.ReadInt16LittleEndian(Bytes(entry)),
        GgufValueType.UInt32 => BinaryPrimitives.ReadUInt32LittleEndian(Bytes(entry)),
        GgufValueType.Int32 => BinaryPrimitives.ReadInt32LittleEndian(Bytes(entry)),
        GgufValueType.Int64 => BinaryPrimitives.ReadInt64LittleEndian(Bytes(entry)),
        GgufValueType.UInt64 when BinaryPrimitives.ReadInt64LittleEndian(Bytes(entry)) is >= 0 and var number => number,
        _ => throw Wrong(key, "an integer below 2^63", entry),
    };

    private static double Shortest(float number) =>
        double.Parse(number.ToString("R", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    private T Finite<T>(string key, T number) where T : IFloatingPoint<T> =>
        T.IsFinite(number) ? number : throw Malformed.File(_path, $"a finite number under '{key}'", $"{number}");

    private byte[] Bytes(Entry entry) => _file.Bytes(entry.Offset, s_sizes[(int)entry.Type]);

    private GgufReader ReaderAt(MappedFile.Reading reading, string key, long offset) => new(reading, _path) { Position = offset, Subject = $"metadata key '{key}'" };

    private Entry? Find(string key) => _entries.TryGetValue(key, out Entry entry) ? entry : null;

    private InvalidDataException Wrong(string key, string expected, Entry found) => Malformed.File(_path, $"{expected} under '{key}'", $"{found.Type}");

    private readonly record struct Entry(GgufValueType Type, long Offset);
}
