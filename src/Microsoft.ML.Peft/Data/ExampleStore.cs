using System.Collections;
using System.Runtime.InteropServices;
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

    private const int Overhead = 200, HeaderInts = 5;

    private const int Truncated = 1, SplitsToken = 2;

    // Null for a row in the file, whose end is the next offset.
    private readonly List<Example?> _rows = [];
    private readonly List<long> _offsets = [];
    private SafeFileHandle? _file;
    private long _inMemory, _inFile;

    public int Count => _rows.Count;

    /// <summary>Bytes in the temporary file.</summary>
    public long SpilledBytes => _inFile;

    public Example this[int index] => _rows[index] ?? Read(index);

    public void Add(Example example)
    {
        byte[]? bytes = null;
        long size = Overhead + SizeOf(example);
        // What a task keeps beside the tokens has no form in the file.
        if (_inMemory + size > memoryLimit && example.Source is null)
            bytes = Encode(example);
        _offsets.Add(_inFile);
        _rows.Add(bytes is null ? example : null);
        if (bytes is null)
            _inMemory += size;
        else
            Append(bytes);
    }

    public IEnumerator<Example> GetEnumerator()
    {
        for (int i = 0; i < Count; i++)
            yield return this[i];
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public void Dispose() => _file?.Dispose();

    private static int SizeOf(Example example) =>
        sizeof(int) * (example.Ids.Length + example.Labels.Length + example.Positions.Length + example.Starts.Length) + example.TypeIds.Length;

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

    private static byte[] Encode(Example example)
    {
        int[] header = [example.Ids.Length, example.Labels.Length, example.Positions.Length, example.Starts.Length, (example.Truncated ? Truncated : 0) | (example.SplitsToken ? SplitsToken : 0)];
        int[] numbers = [.. header, .. example.Ids, .. example.Labels, .. example.Positions, .. example.Starts];
        return [.. MemoryMarshal.AsBytes<int>(numbers), .. example.TypeIds];
    }

    private static Example Decode(byte[] bytes)
    {
        ReadOnlySpan<int> header = MemoryMarshal.Cast<byte, int>(bytes.AsSpan(0, HeaderInts * sizeof(int)));
        int ids = header[0], labels = header[1], positions = header[2], starts = header[3], numbers = HeaderInts + ids + labels + positions + starts;
        ReadOnlySpan<int> all = MemoryMarshal.Cast<byte, int>(bytes.AsSpan(0, numbers * sizeof(int)));
        return new Example
        {
            Ids = all.Slice(HeaderInts, ids).ToArray(),
            Labels = all.Slice(HeaderInts + ids, labels).ToArray(),
            Positions = all.Slice(HeaderInts + ids + labels, positions).ToArray(),
            Starts = all.Slice(HeaderInts + ids + labels + positions, starts).ToArray(),
            TypeIds = bytes[(numbers * sizeof(int))..],
            Truncated = (header[4] & Truncated) != 0,
            SplitsToken = (header[4] & SplitsToken) != 0,
        };
    }
}
