using System.Text;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>A constant of an ONNX graph; <paramref name="Data"/> is empty where the file holds it in a form that is not read.</summary>
internal sealed record OnnxInitializer(string Name, int Type, long[] Shape, Range Data);

/// <summary>An operation of an ONNX graph.</summary>
internal sealed record OnnxNode(string Name, string Operator, IReadOnlyList<string> Inputs, IReadOnlyList<string> Outputs, bool TransposesWeight);

/// <summary>What is needed of an ONNX file: constants and nodes. Field numbers are those of onnx.proto.</summary>
internal sealed class OnnxGraph
{
    private const int ModelGraph = 7, GraphNode = 1, GraphInitializer = 5;

    private static readonly Dictionary<int, ScalarType> s_types = new()
    {
        [1] = ScalarType.Float32, [2] = ScalarType.Byte, [3] = ScalarType.Int8, [5] = ScalarType.Int16, [6] = ScalarType.Int32,
        [7] = ScalarType.Int64, [9] = ScalarType.Bool, [10] = ScalarType.Float16, [11] = ScalarType.Float64, [16] = ScalarType.BFloat16,
    };

    public List<OnnxInitializer> Initializers { get; } = [];

    public List<OnnxNode> Nodes { get; } = [];

    public static bool TryGetType(int number, out ScalarType type) => s_types.TryGetValue(number, out type);

    public static OnnxGraph Parse(ReadOnlySpan<byte> file, string path)
    {
        var graph = new OnnxGraph();
        var model = new ProtoReader(file, 0..file.Length, path);
        while (model.Next())
        {
            if (model is { Field: ModelGraph, IsDelimited: true })
                graph.ReadGraph(file, model.Value, path);
        }
        return graph;
    }

    private void ReadGraph(ReadOnlySpan<byte> file, Range message, string path)
    {
        var reader = new ProtoReader(file, message, path);
        while (reader.Next())
        {
            if (reader is { Field: GraphNode, IsDelimited: true })
                Nodes.Add(ReadNode(file, reader.Value, path));
            else if (reader is { Field: GraphInitializer, IsDelimited: true })
                Initializers.Add(ReadInitializer(file, reader.Value, path));
        }
    }

    private static OnnxNode ReadNode(ReadOnlySpan<byte> file, Range message, string path)
    {
        List<string> inputs = [], outputs = [];
        string name = "", type = "";
        bool transposed = false;
        var reader = new ProtoReader(file, message, path);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1: inputs.Add(Text(file, reader.Value)); break;
                case 2: outputs.Add(Text(file, reader.Value)); break;
                case 3: name = Text(file, reader.Value); break;
                case 4: type = Text(file, reader.Value); break;
                case 5: transposed |= IsTransposition(file, reader.Value, path); break;
            }
        }
        return new(name, type, inputs, outputs, transposed);
    }

    private static bool IsTransposition(ReadOnlySpan<byte> file, Range attribute, string path)
    {
        bool named = false, set = false;
        var reader = new ProtoReader(file, attribute, path);
        while (reader.Next())
        {
            named |= reader.Field == 1 && file[reader.Value].SequenceEqual("transB"u8);
            set |= reader.Field == 3 && reader.Number != 0;
        }
        return named && set;
    }

    private static OnnxInitializer ReadInitializer(ReadOnlySpan<byte> file, Range message, string path)
    {
        string name = "";
        int type = 0;
        var shape = new List<long>();
        Range data = default;
        var reader = new ProtoReader(file, message, path);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1: reader.AddNumbersTo(shape); break;
                case 2: type = (int)reader.Number; break;
                case 8: name = Text(file, reader.Value); break;
                // raw_data, and float_data and double_data in packed form, are the elements' bytes.
                case 4 or 9 or 10 when reader.IsDelimited: data = reader.Value; break;
            }
        }
        return new(name, type, [.. shape], data);
    }

    private static string Text(ReadOnlySpan<byte> file, Range value) => Encoding.UTF8.GetString(file[value]);
}
