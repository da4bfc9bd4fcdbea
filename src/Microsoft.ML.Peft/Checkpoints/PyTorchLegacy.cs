using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using Microsoft.ML.Peft.Interop;
using TorchSharp;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>
/// The layout of PyTorch's files before 1.6: pickles of a magic number, a protocol, facts on the machine, the state dict and
/// the keys of the storages; then each storage's element count and bytes.
/// </summary>
internal static class PyTorchLegacy
{
    private const long Protocol = 1001;
    private static readonly BigInteger s_magic = BigInteger.Parse("1950a86a20f9469cfc6c", NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    public static (object? Root, IReadOnlyDictionary<string, FileRegion> Storages) Read(MappedFile file, string path)
    {
        long at = 0;
        if (!Equals(Next(file, path, ref at), s_magic) || !Equals(Next(file, path, ref at), Protocol))
            throw Malformed.File(path, "a file of torch.save", "neither a zip file nor the magic number of older files");
        Next(file, path, ref at);
        var sizes = new Dictionary<string, int>(StringComparer.Ordinal);
        object? root = Next(file, path, ref at);
        CollectElementSizes(root, sizes);
        var keys = Next(file, path, ref at) as List<object?> ?? throw Malformed.File(path, "a list of storages", "none");
        var storages = new Dictionary<string, FileRegion>(StringComparer.Ordinal);
        foreach (object? key in keys)
        {
            string name = key as string ?? throw Malformed.File(path, "a storage's key", PickledTypes.Name(key));
            if (!sizes.TryGetValue(name, out int size))
                throw Malformed.File(path, $"a tensor over storage '{name}', which tells its type", "none");
            if (!storages.TryAdd(name, Storage(file, path, name, size, ref at)))
                throw Malformed.File(path, $"one storage '{name}'", "two");
        }
        return (root, storages);
    }

    private static object? Next(MappedFile file, string path, ref long at)
    {
        using MappedFile.Reading reading = file.Read();
        ReadOnlySpan<byte> rest = reading.Span(at, (int)Math.Min(file.Length - at, int.MaxValue));
        object? value = PickleReader.Read(rest, path, out int consumed);
        at += consumed;
        return value;
    }

    private static FileRegion Storage(MappedFile file, string path, string name, int elementSize, ref long at)
    {
        long left = file.Length - at - sizeof(long);
        long count = left < 0 ? -1 : BinaryPrimitives.ReadInt64LittleEndian(file.Bytes(at, sizeof(long)));
        if (count < 0 || count > left / elementSize)
            throw Malformed.File(path, $"storage '{name}' at {at}", $"{count} elements of {elementSize} bytes, but a file of {file.Length} bytes");
        var region = new FileRegion(path, at + sizeof(long), count * elementSize);
        at = region.Offset + region.Length;
        return region;
    }

    // The pickle is not recursive for state dicts, but a wrapper may hold several of them.
    private static void CollectElementSizes(object? root, Dictionary<string, int> sizes)
    {
        var seen = new HashSet<object>(ReferenceEqualityComparer.Instance);
        var open = new Stack<object?>([root]);
        while (open.TryPop(out object? value))
        {
            if (value is PickledTensor tensor)
                sizes[tensor.Storage.Key] = tensor.Storage.Type.ElementSize();
            else if (value is not null and not string && seen.Add(value))
                foreach (object? child in Children(value))
                    open.Push(child);
        }
    }

    private static IEnumerable<object?> Children(object value) => value switch
    {
        Dictionary<object, object?> dictionary => dictionary.Values,
        IEnumerable<object?> sequence => sequence,
        _ => [],
    };
}
