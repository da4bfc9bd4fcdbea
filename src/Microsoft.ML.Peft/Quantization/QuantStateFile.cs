using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Quantization;

/// <summary>
/// Quantized weights as bitsandbytes keeps them in files: beside <c>weight</c> lie <c>weight.absmax</c>, <c>weight.quant_map</c>,
/// with double quantization <c>weight.nested_absmax</c> and <c>weight.nested_quant_map</c>, and what is no tensor as the bytes of
/// JSON in <c>weight.quant_state.bitsandbytes__nf4</c>; of row-wise integers <c>SCB</c> beside the weight.
/// </summary>
internal static class QuantStateFile
{
    private const string StatePart = ".quant_state.", FourBitPrefix = "bitsandbytes__", DynamicKind = "int8", DynamicState = "peft__" + DynamicKind;

    private static readonly (string Name, ScalarType Type)[] s_types =
        [("float32", ScalarType.Float32), ("float16", ScalarType.Float16), ("bfloat16", ScalarType.BFloat16)];

    /// <summary>How PyTorch calls a type of floats.</summary>
    public static string NameOf(ScalarType type) => s_types.First(t => t.Type == type).Name;

    /// <summary>Ends of the names that belong to a weight.</summary>
    public static bool IsPartOf(string name, string key) =>
        name.StartsWith(key + ".", StringComparison.Ordinal) || name == Beside(key, "SCB") || name == Beside(key, "weight_format");

    /// <summary>Whether a source holds the weight quantized.</summary>
    public static bool Has(IReadOnlyCollection<string> names, string key) =>
        names.Contains(Beside(key, "SCB")) || names.Any(name => name.StartsWith(key + StatePart, StringComparison.Ordinal));

    /// <summary>Reads a quantized weight.</summary>
    /// <exception cref="InvalidDataException">The parts do not fit one another, or the matrix that is expected.</exception>
    public static PackedMatrix Read(Checkpoints.ITensorSource source, string key, long outputs, long inputs, Device device)
    {
        using var scope = NewDisposeScope();
        var parts = new QuantStateParts(source, key, device);
        return source.Names.Contains(Beside(key, "SCB")) ? ReadRows(parts, outputs, inputs) : ReadBlocks(parts, outputs, inputs);
    }

    public static IEnumerable<(string Name, Tensor Value)> Write(Blockwise4Bit matrix, string key)
    {
        yield return (key, matrix.Codes);
        yield return (key + ".quant_map", tensor(matrix.Code.Levels, ScalarType.Float32, CPU));
        if (matrix.Scales is { Codes: { } codes } nested)
        {
            yield return (key + ".absmax", codes);
            yield return (key + ".nested_absmax", nested.Floats);
            yield return (key + ".nested_quant_map", nested.Levels!);
        }
        else
        {
            yield return (key + ".absmax", matrix.Scales.Floats);
        }
        yield return (key + StatePart + FourBitPrefix + matrix.Code.Name, State(matrix.Code.Name, matrix));
    }

    public static IEnumerable<(string Name, Tensor Value)> Write(Blockwise8Bit matrix, string key) =>
    [
        (key, matrix.Codes),
        (key + ".quant_map", tensor(DynamicMap.Levels, ScalarType.Float32, CPU)),
        (key + ".absmax", matrix.Scales.Floats),
        (key + StatePart + DynamicState, State(DynamicKind, matrix)),
    ];

    public static IEnumerable<(string Name, Tensor Value)> Write(Rowwise8Bit matrix, string key)
    {
        yield return (key, matrix.Codes);
        yield return (Beside(key, "SCB"), matrix.Scales.Floats);
        if (matrix.Outliers is not { } outliers)
            yield break;
        yield return (key + ".outlier_columns", outliers.Columns);
        yield return (key + ".outliers", outliers.Values);
        yield return (key + ".outlier_threshold", tensor(outliers.Threshold, ScalarType.Float64, CPU));
    }

    /// <summary>What a matrix will be in a file, before there is one. A state may come out shorter; blanks at its end do not change it.</summary>
    /// <exception cref="NotSupportedException">It depends on the values: columns that stay floats.</exception>
    public static IEnumerable<(string Name, ScalarType Type, long[] Shape)> Plan(
        QuantizationOptions options, ScalarType type, long outputs, long inputs, string key, bool transposed)
    {
        if (options.Format == QuantizationFormat.BFloat16)
            return [(key, ScalarType.BFloat16, transposed ? [inputs, outputs] : [outputs, inputs])];
        if (options.Format == QuantizationFormat.Int8Rowwise)
        {
            return options.OutlierThreshold == 0
                ? [(key, ScalarType.Int8, [outputs, inputs]), (Beside(key, "SCB"), ScalarType.Float32, [outputs])]
                : throw new NotSupportedException($"'{key}' keeps columns with outliers as floats, and which these are shows when it is quantized: merge into floats.");
        }
        long count = outputs * inputs, blocks = (count + options.BlockSize - 1) / options.BlockSize;
        FourBitCode? code = FourBitCode.Of(options.Format);
        string kind = code?.Name ?? DynamicKind;
        // The longest that a number is written.
        string offset = options.DoubleQuantization is true ? NestedState(-double.MaxValue) : "";
        int state = State(kind, options.BlockSize, type, outputs, inputs, offset).Length;
        return
        [
            (key, ScalarType.Byte, code is null ? [outputs, inputs] : [(count + 1) / 2, 1]),
            (key + ".quant_map", ScalarType.Float32, [code?.Levels.Length ?? DynamicMap.Size]),
            (key + ".absmax", options.DoubleQuantization is true ? ScalarType.Byte : ScalarType.Float32, [blocks]),
            .. options.DoubleQuantization is true
                ? [(key + ".nested_absmax", ScalarType.Float32, [(blocks + BlockScales.Block - 1) / BlockScales.Block]), (key + ".nested_quant_map", ScalarType.Float32, [DynamicMap.Size])]
                : Array.Empty<(string, ScalarType, long[])>(),
            (key + StatePart + (code is null ? DynamicState : FourBitPrefix + kind), ScalarType.Byte, [state]),
        ];
    }

    private static PackedMatrix ReadBlocks(QuantStateParts parts, long outputs, long inputs)
    {
        string stateName = parts.Single(StatePart);
        JsonObject state = parts.Json(stateName);
        int block = parts.BlockSize(parts.Int(state, "blocksize"));
        string kind = parts.Text(state, "quant_type");
        long[] shape = parts.Numbers(state, "shape");
        if (!shape.SequenceEqual([outputs, inputs]))
            throw parts.Bad(stateName, $"the state of a weight of shape [{outputs}, {inputs}]", $"[{string.Join(", ", shape)}]");
        ScalarType type = s_types.FirstOrDefault(t => t.Name == parts.Text(state, "dtype"), s_types[0]).Type;
        long count = outputs * inputs, blocks = (count + block - 1) / block;
        FourBitCode? code = FourBitCode.All.FirstOrDefault(c => c.Name == kind);
        if (code is null && kind != DynamicKind)
            throw parts.Bad(stateName, "quant_type nf4, fp4 or int8", $"'{kind}'");
        Tensor codes = parts.Take("", code is null ? count : (count + 1) / 2, ScalarType.Byte);
        Tensor levels = parts.Take(".quant_map", code is null ? DynamicMap.Size : code.Levels.Length, ScalarType.Float32);
        BlockScales scales = Scales(parts, state, blocks);
        return code is null
            ? new Blockwise8Bit(codes.view(outputs, inputs).DetachFromDisposeScope(), levels, scales, block, (outputs, inputs), type)
            : new Blockwise4Bit(codes.view(-1, 1).DetachFromDisposeScope(), levels, scales, block, (outputs, inputs), code, type);
    }

    private static BlockScales Scales(QuantStateParts parts, JsonObject state, long blocks)
    {
        if (!parts.Has(".nested_absmax"))
            return new BlockScales(parts.Take(".absmax", blocks, ScalarType.Float32));
        if (parts.Int(state, "nested_blocksize") is int block and not BlockScales.Block)
            throw parts.Bad(".nested_absmax", $"blocks of {BlockScales.Block} scales", $"blocks of {block}");
        long outer = (blocks + BlockScales.Block - 1) / BlockScales.Block;
        return new BlockScales(
            parts.Take(".nested_absmax", outer, ScalarType.Float32), parts.Take(".absmax", blocks, ScalarType.Byte),
            parts.Take(".nested_quant_map", DynamicMap.Size, ScalarType.Float32), (float)parts.Double(state, "nested_offset"));
    }

    private static Rowwise8Bit ReadRows(QuantStateParts parts, long outputs, long inputs)
    {
        Tensor codes = parts.Take("", outputs * inputs, ScalarType.Int8).view(outputs, inputs).DetachFromDisposeScope();
        Tensor scales = parts.TakeNamed(Beside(parts.Key, "SCB"), outputs, ScalarType.Float32);
        if (!parts.Has(".outliers"))
            return Rowwise8Bit.Create(codes, scales, null);
        Tensor columns = parts.Take(".outlier_columns", null, ScalarType.Int64);
        using Tensor outside = ((columns < 0) | (columns >= inputs)).any();
        if (outside.item<bool>())
            throw parts.Bad(".outlier_columns", $"columns from 0 to {inputs - 1}", "others");
        Tensor values = parts.Take(".outliers", outputs * columns.numel(), ScalarType.Float32).view(outputs, -1).DetachFromDisposeScope();
        using Tensor threshold = parts.Take(".outlier_threshold", 1, ScalarType.Float64);
        return Rowwise8Bit.Create(codes, scales, new OutlierColumns(columns, values, threshold.item<double>()));
    }

    // As Python's json.dumps writes it.
    private static Tensor State(string kind, BlockwiseMatrix matrix) => tensor(Encoding.UTF8.GetBytes(State(
        kind, matrix.Block, matrix.Type, matrix.Outputs, matrix.Inputs, matrix.Scales.Codes is null ? "" : NestedState(matrix.Scales.Offset))), ScalarType.Byte, CPU);

    private static string State(string kind, int block, ScalarType type, long outputs, long inputs, string nested) => string.Create(
        CultureInfo.InvariantCulture,
        $"{{\"quant_type\": \"{kind}\", \"blocksize\": {block}, \"dtype\": \"{NameOf(type)}\", \"shape\": [{outputs}, {inputs}]{nested}}}");

    private static string NestedState(double offset) => string.Create(
        CultureInfo.InvariantCulture, $", \"nested_blocksize\": {BlockScales.Block}, \"nested_dtype\": \"float32\", \"nested_offset\": {offset:R}");

    private static string Beside(string key, string name) => key[..(key.LastIndexOf('.') + 1)] + name;
}
