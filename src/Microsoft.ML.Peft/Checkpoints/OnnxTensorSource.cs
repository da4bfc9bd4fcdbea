using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>The weights of a model that PyTorch exported to ONNX, under the names that they have on Hugging Face.</summary>
internal sealed class OnnxTensorSource : MappedTensors<OnnxWeight>
{
    private OnnxTensorSource(MappedFile mapping, FileRegion region) : base(mapping, region)
    {
        if (mapping.Length > int.MaxValue)
            throw Malformed.File(Description, "at most 2 GiB, protobuf's own limit", $"{mapping.Length} bytes");
        using MappedFile.Reading reading = mapping.Read();
        Entries = OnnxNames.Resolve(OnnxGraph.Parse(reading.Span(0, (int)mapping.Length), Description));
        if (Entries.Count == 0)
            throw Malformed.File(Description, "an ONNX graph with weights", "none");
        foreach (var (name, weight) in Entries)
            Check(name, weight);
    }

    public override Dictionary<string, OnnxWeight> Entries { get; }

    public static OnnxTensorSource Open(string path) => Open(FileRegion.Whole(path), Create);

    public static OnnxTensorSource Open(string path, long offset, long length) => Open(new FileRegion(path, offset, length), Create);

    public override long[] ShapeOf(string name)
    {
        OnnxWeight weight = Find(name);
        return weight.Transposed ? [weight.Initializer.Shape[1], weight.Initializer.Shape[0]] : weight.Initializer.Shape;
    }

    public override Tensor Read(string name)
    {
        var (initializer, transposed) = Find(name);
        OnnxGraph.TryGetType(initializer.Type, out ScalarType type);
        Tensor stored = Mapping.Tensor(initializer.Data.Start.Value, type, initializer.Shape);
        if (!transposed)
            return stored;
        using (stored)
        using (Tensor view = stored.t())
            return view.contiguous();
    }

    private static OnnxTensorSource Create(MappedFile mapping, FileRegion region) => new(mapping, region);

    private void Check(string name, OnnxWeight weight)
    {
        OnnxInitializer initializer = weight.Initializer;
        if (name.EndsWith("_quantized", StringComparison.Ordinal))
            throw new NotSupportedException($"{Description}: tensor '{name}': quantized ONNX files are not read; use the float export.");
        if (!OnnxGraph.TryGetType(initializer.Type, out ScalarType type))
            throw new NotSupportedException($"{Description}: tensor '{name}': ONNX element type {initializer.Type} is not read.");
        if (weight.Transposed && initializer.Shape.Length != 2)
            throw Malformed.Tensor(Description, name, "two dimensions", Malformed.Shape(initializer.Shape));
        long found = initializer.Data.End.Value - initializer.Data.Start.Value;
        if (!DTypes.TryCountBytes(initializer.Shape, type.ElementSize(), out long bytes) || initializer.Shape.Length > 64 || bytes != found)
            throw Malformed.Tensor(Description, name, $"{bytes} bytes in the file for {type} {Malformed.Shape(initializer.Shape)}", $"{found}");
    }
}
