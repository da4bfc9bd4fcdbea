using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>The JSON header of a safetensors file, checked against the length of the data that follows it.</summary>
internal sealed class SafetensorsHeader
{
    public const string MetadataKey = "__metadata__";
    // The reference implementation refuses longer headers too.
    public const long LongestHeader = 100_000_000;
    // libtorch's own limit for most operators.
    private const int MostDimensions = 64;

    private readonly string _file;

    private SafetensorsHeader(JsonElement root, string file)
    {
        _file = file;
        foreach (JsonProperty property in root.EnumerateObject())
        {
            if (property.NameEquals(MetadataKey))
                ReadMetadata(property.Value);
            else if (!Entries.TryAdd(property.Name, ReadEntry(property.Name, property.Value)))
                throw Malformed.Tensor(file, property.Name, "one entry of that name", "two");
        }
    }

    public Dictionary<string, TensorEntry> Entries { get; } = new(StringComparer.Ordinal);

    public Dictionary<string, string> Metadata { get; } = new(StringComparer.Ordinal);

    public static SafetensorsHeader Parse(ReadOnlyMemory<byte> json, long dataLength, string file)
    {
        SafetensorsHeader header = JsonText.Read(json, file, root => new SafetensorsHeader(root, file));
        header.CheckLayout(dataLength);
        return header;
    }

    private void ReadMetadata(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Object)
            throw Malformed.File(_file, $"an object under '{MetadataKey}'", JsonText.Excerpt(value));
        foreach (JsonProperty pair in value.EnumerateObject())
        {
            if (pair.Value.ValueKind != JsonValueKind.String)
                throw Malformed.File(_file, $"a string under '{MetadataKey}.{pair.Name}'", JsonText.Excerpt(pair.Value));
            if (!Metadata.TryAdd(pair.Name, pair.Value.GetString()!))
                throw Malformed.File(_file, $"one value under '{MetadataKey}.{pair.Name}'", "two");
        }
    }

    private TensorEntry ReadEntry(string name, JsonElement value)
    {
        ScalarType type = ReadType(name, value);
        long[] shape = ReadNumbers(name, value, "shape");
        long[] range = ReadNumbers(name, value, "data_offsets");
        if (shape.Length > MostDimensions)
            throw Malformed.Tensor(_file, name, $"at most {MostDimensions} dimensions", $"{shape.Length}");
        if (range.Length != 2 || range[0] > range[1])
            throw Malformed.Tensor(_file, name, "data_offsets [begin, end] in order", Malformed.Shape(range));
        if (!DTypes.TryCountBytes(shape, type.ElementSize(), out long bytes) || bytes != range[1] - range[0])
            throw Malformed.Tensor(_file, name, $"{bytes} bytes for {DTypes.NameOf(type)} {Malformed.Shape(shape)}", $"{range[1] - range[0]}");
        return new(name, type, shape, range[0], bytes);
    }

    private ScalarType ReadType(string name, JsonElement entry)
    {
        JsonElement value = Property(name, entry, "dtype");
        if (value.ValueKind != JsonValueKind.String || !DTypes.TryParse(value.GetString()!, out ScalarType type))
            throw Malformed.Tensor(_file, name, $"a dtype of {DTypes.Known}", JsonText.Excerpt(value));
        return type;
    }

    private long[] ReadNumbers(string name, JsonElement entry, string key)
    {
        JsonElement value = Property(name, entry, key);
        if (value.ValueKind != JsonValueKind.Array)
            throw Malformed.Tensor(_file, name, $"a list under '{key}'", JsonText.Excerpt(value));
        var numbers = new long[value.GetArrayLength()];
        int at = 0;
        foreach (JsonElement item in value.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.Number || !item.TryGetInt64(out long number) || number < 0)
                throw Malformed.Tensor(_file, name, $"non-negative integers under '{key}'", JsonText.Excerpt(item));
            numbers[at++] = number;
        }
        return numbers;
    }

    private JsonElement Property(string name, JsonElement entry, string key)
    {
        if (entry.ValueKind != JsonValueKind.Object || !entry.TryGetProperty(key, out JsonElement value))
            throw Malformed.Tensor(_file, name, $"an object with '{key}'", JsonText.Excerpt(entry));
        return value;
    }

    private void CheckLayout(long dataLength)
    {
        long end = 0;
        foreach (TensorEntry entry in Entries.Values.OrderBy(entry => entry.Offset).ThenBy(entry => entry.Bytes))
        {
            if (entry.Offset > dataLength - entry.Bytes)
                throw Malformed.Tensor(_file, entry.Name, $"an end within {dataLength} bytes of data", $"{(Int128)entry.Offset + entry.Bytes}");
            if (entry.Offset != end)
                throw Malformed.Tensor(_file, entry.Name, $"a start at {end}, where the tensor before it ends",
                    $"{entry.Offset}: {(entry.Offset < end ? "they overlap" : "a hole")}");
            end += entry.Bytes;
        }
        if (end != dataLength)
            throw Malformed.File(_file, $"{end} bytes of tensor data", $"{dataLength}");
    }
}

/// <summary>A tensor of a safetensors file; <paramref name="Offset"/> counts from the end of the header.</summary>
internal sealed record TensorEntry(string Name, ScalarType Type, long[] Shape, long Offset, long Bytes);
