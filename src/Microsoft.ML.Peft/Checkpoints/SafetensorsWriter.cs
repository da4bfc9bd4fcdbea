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
    public static void Write(Stream stream, IEnumerable<(string Name, Tensor Tensor)> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        var all = tensors.ToList();
        byte[] header = Header(all, metadata);
        Span<byte> length = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        stream.Write(length);
        stream.Write(header);
        foreach (var (_, tensor) in all)
            NativeTensor.VisitBytes(tensor, stream.Write);
    }

    /// <summary>Writes beside <paramref name="path"/>, flushes to the disk and renames: a reader sees the old file or the new one.</summary>
    public static void WriteFile(string path, IEnumerable<(string Name, Tensor Tensor)> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        string beside = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            using (FileStream stream = File.Create(beside))
            {
                Write(stream, tensors, metadata);
                stream.Flush(flushToDisk: true);
            }
            File.Move(beside, path, overwrite: true);
        }
        catch
        {
            File.Delete(beside);
            throw;
        }
    }

    private static byte[] Header(List<(string Name, Tensor Tensor)> tensors, IReadOnlyDictionary<string, string>? metadata)
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

    private static void WriteEntries(Utf8JsonWriter json, List<(string Name, Tensor Tensor)> tensors)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        long offset = 0;
        foreach (var (name, tensor) in tensors)
        {
            if (!names.Add(name) || name == SafetensorsHeader.MetadataKey)
                throw new ArgumentException($"The tensor name '{name}' occurs twice or is reserved.", nameof(tensors));
            long end = offset + tensor.numel() * tensor.dtype.ElementSize();
            json.WriteStartObject(name);
            json.WriteString("dtype", DTypes.NameOf(tensor.dtype));
            WriteNumbers(json, "shape", tensor.shape);
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
