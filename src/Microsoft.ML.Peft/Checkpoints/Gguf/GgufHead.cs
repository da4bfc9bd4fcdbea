using Microsoft.ML.Peft.Interop;

namespace Microsoft.ML.Peft.Checkpoints.Gguf;

/// <summary>What stands before the tensors of a GGUF file, checked against its length.</summary>
internal static class GgufHead
{
    private const uint Magic = 0x46554747; // "GGUF"
    private const uint Oldest = 2, Newest = 3;
    private const int MostDimensions = 4;
    private const uint DefaultAlignment = 32;
    // Key length, value type and a byte of value; name length, dimensions, type and offset.
    private const int SmallestPair = 8 + 4 + 1, SmallestTensor = 8 + 4 + 4 + 8;
    private const string AlignmentKey = "general.alignment", PartsKey = "split.count";

    public static (GgufMetadata Metadata, Dictionary<string, GgufTensor> Tensors) Read(MappedFile file, string path)
    {
        using MappedFile.Reading reading = file.Read();
        var reader = new GgufReader(reading, path);
        CheckVersion(reader, path);
        long tensors = reader.Count(SmallestTensor), pairs = reader.Count(SmallestPair);
        var metadata = new GgufMetadata(reader, pairs, file, path);
        if (metadata.Integer(PartsKey) is > 1 and var parts)
            throw new NotSupportedException($"{path}: one of {parts} parts of a model; join them into one file first (llama-gguf-split --merge).");
        long alignment = Alignment(metadata, path);
        var found = new List<GgufTensor>();
        while (found.Count < tensors)
            found.Add(ReadTensor(reader, found.Count, path));
        // The data start at the next multiple of the alignment; without tensors there need be none.
        long start = (reader.Position + alignment - 1) / alignment * alignment;
        return (metadata, Place(found, start, alignment, file.Length, path));
    }

    private static void CheckVersion(GgufReader reader, string path)
    {
        uint magic = reader.U32(), version = reader.U32();
        if (magic != Magic)
            throw Malformed.File(path, "a GGUF file", $"one that begins with 0x{magic:X8}");
        if (version is < Oldest or > Newest)
        {
            string found = (version & 0xFFFF) == 0 ? "a big-endian file" : $"version {version}";
            throw new NotSupportedException($"{path}: GGUF of versions {Oldest} to {Newest}, little-endian, is read; this is {found}.");
        }
    }

    private static long Alignment(GgufMetadata metadata, string path)
    {
        long alignment = metadata.Integer(AlignmentKey) ?? DefaultAlignment;
        return alignment is > 0 and <= 1 << 30 && long.IsPow2(alignment) ? alignment
            : throw Malformed.File(path, $"a power of two under '{AlignmentKey}'", $"{alignment}");
    }

    // The offset is still the one from the start of the data.
    private static GgufTensor ReadTensor(GgufReader reader, int index, string path)
    {
        reader.Subject = $"tensor {index}";
        string name = reader.Name();
        reader.Subject = $"tensor '{name}'";
        uint dimensions = reader.U32();
        if (dimensions > MostDimensions)
            throw reader.Fail($"at most {MostDimensions} dimensions", $"{dimensions}");
        var shape = new long[dimensions];
        // GGML counts from the innermost dimension.
        for (int i = shape.Length - 1; i >= 0; i--)
            shape[i] = Int64(reader);
        uint id = reader.U32();
        GgufType type = GgufType.Find(id)
            ?? throw new NotSupportedException($"{path}: tensor '{name}': GGML type {id} is not read; known are {GgufType.Known}.");
        return new(name, type, shape, Offset: Int64(reader), Bytes(reader, type, shape));
    }

    private static long Int64(GgufReader reader)
    {
        ulong number = reader.U64();
        return number <= long.MaxValue ? (long)number : throw reader.Fail("sizes and offsets below 2^63", $"{number}");
    }

    private static long Bytes(GgufReader reader, GgufType type, long[] shape)
    {
        long row = shape.Length > 0 ? shape[^1] : 1;
        if (row % type.BlockSize != 0)
            throw reader.Fail($"rows of whole blocks of {type.BlockSize} for {type.Name}", $"rows of {row}");
        // Elements must be countable too: those of a block are more than its bytes.
        if (!DTypes.TryCountBytes(shape, sizeof(float), out _)
            || !DTypes.TryCountBytes([.. shape.SkipLast(1), row / type.BlockSize], type.BlockBytes, out long bytes))
            throw reader.Fail("a size below 2^63 bytes", Malformed.Shape(shape));
        return bytes;
    }

    private static Dictionary<string, GgufTensor> Place(List<GgufTensor> found, long start, long alignment, long length, string path)
    {
        var tensors = new Dictionary<string, GgufTensor>(found.Count, StringComparer.Ordinal);
        long end = 0;
        foreach (GgufTensor tensor in found.OrderBy(tensor => tensor.Offset).ThenBy(tensor => tensor.Bytes))
        {
            if (tensor.Offset % alignment != 0)
                throw Malformed.Tensor(path, tensor.Name, $"an offset that is a multiple of {alignment}", $"{tensor.Offset}");
            if (tensor.Offset < end)
                throw Malformed.Tensor(path, tensor.Name, $"a start at {end} or later, where the tensor before it ends", $"{tensor.Offset}: they overlap");
            if ((Int128)start + tensor.Offset + tensor.Bytes > length)
                throw Malformed.Tensor(path, tensor.Name, $"{tensor.Bytes} bytes at {(Int128)start + tensor.Offset}", $"a file of {length} bytes");
            if (!tensors.TryAdd(tensor.Name, tensor with { Offset = start + tensor.Offset }))
                throw Malformed.Tensor(path, tensor.Name, "one entry of that name", "two");
            end = tensor.Offset + tensor.Bytes;
        }
        return tensors;
    }
}
