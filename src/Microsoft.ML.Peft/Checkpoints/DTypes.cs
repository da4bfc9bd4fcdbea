using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>Safetensors' names of element types.</summary>
internal static class DTypes
{
    private static readonly (string Name, ScalarType Type)[] s_all =
    [
        ("F64", ScalarType.Float64), ("F32", ScalarType.Float32), ("F16", ScalarType.Float16), ("BF16", ScalarType.BFloat16),
        ("I64", ScalarType.Int64), ("I32", ScalarType.Int32), ("I16", ScalarType.Int16), ("I8", ScalarType.Int8),
        ("U8", ScalarType.Byte), ("BOOL", ScalarType.Bool),
    ];

    public static string Known { get; } = string.Join(", ", s_all.Select(pair => pair.Name));

    public static bool TryParse(string name, out ScalarType type)
    {
        int at = Array.FindIndex(s_all, pair => pair.Name == name);
        type = at < 0 ? default : s_all[at].Type;
        return at >= 0;
    }

    public static string NameOf(ScalarType type)
    {
        int at = Array.FindIndex(s_all, pair => pair.Type == type);
        return at >= 0 ? s_all[at].Name : throw new NotSupportedException($"A safetensors file cannot hold tensors of type {type}.");
    }

    /// <summary>The bytes that a shape takes; false where a size is negative or the count does not fit.</summary>
    public static bool TryCountBytes(ReadOnlySpan<long> shape, int elementSize, out long bytes)
    {
        Int128 product = elementSize;
        bool empty = false;
        bytes = 0;
        foreach (long size in shape)
        {
            if (size < 0)
                return false;
            empty |= size == 0;
            product *= Math.Max(size, 1);
            if (product > long.MaxValue)
                return false;
        }
        bytes = empty ? 0 : (long)product;
        return true;
    }
}
