using System.Collections;
using Microsoft.ML.Peft.Interop;
using Microsoft.Win32.SafeHandles;

namespace Microsoft.ML.Peft.Data;

/// <summary>
/// Rows for random access, epoch after epoch: in memory up to a limit, past it in a temporary file, so that data may exceed
/// memory. The file goes with the store, or with the process.
/// </summary>
internal sealed class ExampleStore(long memoryLimit = ExampleStore.DefaultMemoryLimit) : IReadOnlyList<Example>, IDisposable
{
    public const long DefaultMemoryLimit = 1L << 30;

    // Null for a row in the file, whose end is the next offset.
    private readonly List<Example?> _rows = [];
    private readonly List<long> _offsets = [];
    // In the file a field is its place here.
    private readonly List<Field> _fields = [];
    private SafeFileHandle? _file;
    private long _inMemory, _inFile;

    public int Count => _rows.Count;

    /// <summary>Bytes in the temporary file.</summary>
    public long SpilledBytes => _inFile;

    public Example this[int index] => _rows[index] ?? Read(index);

    public void Add(Example example)
    {
        long size = example.Size;
        bool fits = _inMemory + size <= memoryLimit;
        _offsets.Add(_inFile);
        _rows.Add(fits ? example : null);
        if (fits)
            _inMemory += size;
        else
            Append(Encode(example));
    }

    public IEnumerator<Example> GetEnumerator()
    {
        for (int i = 0; i < Count; i++)
            yield return this[i];
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public void Dispose() => _file?.Dispose();

    private void Append(byte[] bytes)
    {
        _file ??= TemporaryFile.Create("rows");
        RandomAccess.Write(_file, bytes, _inFile);
        _inFile += bytes.Length;
    }

    private Example Read(int index)
    {
        long start = _offsets[index], end = index + 1 < _offsets.Count ? _offsets[index + 1] : _inFile;
        var bytes = new byte[end - start];
        int count = 0;
        while (count < bytes.Length)
        {
            int read = RandomAccess.Read(_file!, bytes.AsSpan(count), start + count);
            count += read > 0 ? read : throw new EndOfStreamException("The temporary file of training rows was cut short.");
        }
        return Decode(bytes);
    }

    private byte[] Encode(Example example)
    {
        using var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes);
        foreach (var (field, values) in example.Entries)
        {
            ReadOnlySpan<byte> content = field.BytesOf(values);
            writer.Write7BitEncodedInt(NumberOf(field));
            writer.Write7BitEncodedInt(content.Length);
            writer.Write(content);
        }
        return bytes.ToArray();
    }

    private int NumberOf(Field field)
    {
        if (_fields.IndexOf(field) is >= 0 and var known)
            return known;
        _fields.Add(field);
        return _fields.Count - 1;
    }

    private Example Decode(byte[] bytes)
    {
        using var reader = new BinaryReader(new MemoryStream(bytes));
        var entries = new List<(Field, Array)>();
        while (reader.BaseStream.Position < bytes.Length)
        {
            Field field = _fields[reader.Read7BitEncodedInt()];
            entries.Add((field, field.FromBytes(reader.ReadBytes(reader.Read7BitEncodedInt()))));
        }
        return Example.Of(entries);
    }
}
