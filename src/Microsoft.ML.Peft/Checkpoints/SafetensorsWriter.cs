using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>Writes safetensors files as Hugging Face's tools do, one tensor after the other in the order given.</summary>
internal static class SafetensorsWriter
{
    private const int Alignment = 8;

    /// <summary>Writes to a stream. The metadata gets <c>"format": "pt"</c> where it has no format: loaders ask for it.</summary>
    public static void Write(Stream stream, IEnumerable<(string Name, Tensor Tensor)> tensors, IReadOnlyDictionary<string, string>? metadata = null) =>
        Write(stream, Planned(tensors), metadata);

    /// <summary>The same with tensors that are made one after another.</summary>
    public static void Write(Stream stream, IReadOnlyList<PlannedTensor> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        byte[] header = Header(tensors, metadata);
        Span<byte> length = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        stream.Write(length);
        stream.Write(header);
        foreach (PlannedTensor tensor in tensors)
        {
            using Tensor values = tensor.Make();
            NativeTensor.VisitBytes(values, stream.Write);
        }
    }

    /// <summary>Writes beside <paramref name="path"/>, flushes to the disk and renames: a reader sees the old file or the new one.</summary>
    public static void WriteFile(string path, IEnumerable<(string Name, Tensor Tensor)> tensors, IReadOnlyDictionary<string, string>? metadata = null) =>
        WriteFile(path, Planned(tensors), metadata);

    /// <summary>The same with tensors that are made one after another.</summary>
    public static void WriteFile(string path, IReadOnlyList<PlannedTensor> tensors, IReadOnlyDictionary<string, string>? metadata = null) =>
        AtomicFile.Replace(path, stream => Write(stream, tensors, metadata));

    private static IReadOnlyList<PlannedTensor> Planned(IEnumerable<(string Name, Tensor Tensor)> tensors) =>
        [.. tensors.Select(t => new PlannedTensor(t.Name, t.Tensor.dtype, t.Tensor.Sizes(), t.Tensor.detach))];

    private static byte[] Header(IReadOnlyList<PlannedTensor> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            WriteMetadata(json, metadata);
            WriteEntries(json, tensors);
            json.WriteEndObject();
        }
        while (buffer.Length % Alignment != 0)
            buffer.WriteByte((byte)' ');
        return buffer.ToArray();
    }

    private static void WriteMetadata(Utf8JsonWriter json, IReadOnlyDictionary<string, string>? metadata)
    {
        json.WriteStartObject(SafetensorsHeader.MetadataKey);
        if (metadata?.ContainsKey("format") != true)
            json.WriteString("format", "pt");
        foreach (var (key, value) in metadata ?? new Dictionary<string, string>())
            json.WriteString(key, value);
        json.WriteEndObject();
    }

    private static void WriteEntries(Utf8JsonWriter json, IReadOnlyList<PlannedTensor> tensors)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        long offset = 0;
        foreach (PlannedTensor tensor in tensors)
        {
            if (!names.Add(tensor.Name) || tensor.Name == SafetensorsHeader.MetadataKey)
                throw new ArgumentException($"The tensor name '{tensor.Name}' occurs twice or is reserved.", nameof(tensors));
            long end = offset + tensor.Bytes;
            json.WriteStartObject(tensor.Name);
            json.WriteString("dtype", DTypes.NameOf(tensor.Type));
            WriteNumbers(json, "shape", tensor.Shape);
            WriteNumbers(json, "data_offsets", [offset, end]);
            json.WriteEndObject();
            offset = end;
        }
    }

    private static void WriteNumbers(Utf8JsonWriter json, string key, ReadOnlySpan<long> numbers)
    {
        json.WriteStartArray(key);
        foreach (long number in numbers)
            json.WriteNumberValue(number);
        json.WriteEndArray();
    }
}

/// <summary>A tensor that is made when it is written, so that no two exist at a time.</summary>
internal sealed record PlannedTensor(string Name, ScalarType Type, long[] Shape, Func<Tensor> Make)
{
    public long Bytes => Shape.Aggregate(1L, (product, size) => product * size) * Type.ElementSize();
}
