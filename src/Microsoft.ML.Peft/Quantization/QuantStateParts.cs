using System.Numerics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Quantization;

/// <summary>The tensors of a file that together are one quantized weight, each checked as it is read.</summary>
internal sealed class QuantStateParts(ITensorSource source, string key, Device device)
{
    private const int LongestState = 1 << 16;

    public string Key => key;

    public bool Has(string end) => source.Names.Contains(key + end);

    /// <summary>The end of the one name that goes on so.</summary>
    public string Single(string start)
    {
        string[] found = [.. source.Names.Where(name => name.StartsWith(key + start, StringComparison.Ordinal))];
        return found.Length == 1 ? found[0][key.Length..] : throw Bad(start + "*", "one state", $"{found.Length}");
    }

    public Tensor Take(string end, long? count, ScalarType type) => TakeNamed(key + end, count, type);

    /// <summary>A tensor of so many elements, flat, on the device, in no scope.</summary>
    public Tensor TakeNamed(string name, long? count, ScalarType type)
    {
        if (!source.Names.Contains(name))
            throw Malformed.NoTensor(source.Description, name);
        Tensor tensor = source.Read(name);
        if (tensor.dtype != type || (count is { } wanted && tensor.numel() != wanted))
        {
            throw Malformed.Tensor(
                source.Description, name, $"{(count is { } n ? $"{n} elements" : "elements")} of type {type}", $"shape {Malformed.Shape(tensor.Sizes())} of type {tensor.dtype}");
        }
        FiniteWeights.Check(tensor, source.Description, name);
        return tensor.flatten().to(device).DetachFromDisposeScope();
    }

    public JsonObject Json(string end)
    {
        using Tensor bytes = Take(end, null, ScalarType.Byte);
        if (bytes.numel() > LongestState)
            throw Bad(end, $"at most {LongestState} bytes of JSON", $"{bytes.numel()}");
        try
        {
            var json = new List<byte>();
            NativeTensor.VisitBytes(bytes, span => json.AddRange(span));
            JsonObject state = JsonNode.Parse(json.ToArray()) as JsonObject ?? throw new JsonException("it is no object");
            // Names and texts are decoded when they are asked for: here, where a failure has a name.
            foreach (var (_, value) in state)
                (value as JsonValue)?.TryGetValue<string>(out _);
            return state;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException)
        {
            throw Bad(end, "JSON", e.Message);
        }
    }

    public int Int(JsonObject state, string name) => Value<int>(state, name);

    public double Double(JsonObject state, string name) => Value<double>(state, name);

    public string Text(JsonObject state, string name) => Value<string>(state, name);

    public long[] Numbers(JsonObject state, string name) =>
        state[name] is JsonArray { Count: > 0 } numbers && numbers.All(n => n is JsonValue value && value.TryGetValue<long>(out _))
            ? [.. numbers.Select(n => n!.GetValue<long>())]
            : throw Bad(".quant_state", $"numbers under '{name}'", state[name]?.ToJsonString() ?? "none");

    /// <summary>A block size that the formats have.</summary>
    public int BlockSize(int block) => block is >= 32 and <= 4096 && BitOperations.IsPow2(block)
        ? block : throw Bad(".quant_state", "a block size that is a power of two from 32 to 4096", $"{block}");

    public InvalidDataException Bad(string end, string expected, string found) => Malformed.Tensor(source.Description, key + end, expected, found);

    private T Value<T>(JsonObject state, string name) => state[name] is JsonValue value && value.TryGetValue(out T? found)
        ? found : throw Bad(".quant_state", $"a {typeof(T).Name} under '{name}'", state[name]?.ToJsonString() ?? "none");
}
