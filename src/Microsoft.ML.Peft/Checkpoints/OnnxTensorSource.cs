using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>The weights of a model that PyTorch exported to ONNX, under the names that they have on Hugging Face.</summary>
internal sealed class OnnxTensorSource : ITensorSource
{
    private readonly MappedFile _mapping;
    private readonly Dictionary<string, OnnxWeight> _weights;

    private OnnxTensorSource(MappedFile mapping, FileRegion region)
    {
        _mapping = mapping;
        Description = region.Path;
        Files = [region];
        if (mapping.Length > int.MaxValue)
            throw Malformed.File(Description, "at most 2 GiB, protobuf's own limit", $"{mapping.Length} bytes");
        _weights = OnnxNames.Resolve(OnnxGraph.Parse(mapping.Span(0, (int)mapping.Length), Description));
        if (_weights.Count == 0)
            throw Malformed.File(Description, "an ONNX graph with weights", "none");
        foreach (var (name, weight) in _weights)
            Check(name, weight);
    }

    public string Description { get; }

    public IReadOnlyList<FileRegion> Files { get; }

    public IReadOnlyCollection<string> Names => _weights.Keys;

    public static OnnxTensorSource Open(string path) => Open(path, 0, new FileInfo(path).Length);

    public static OnnxTensorSource Open(string path, long offset, long length)
    {
        MappedFile mapping = MappedFile.Open(path, offset, length);
        try
        {
            return new(mapping, new(path, offset, length));
        }
        catch
        {
            mapping.Dispose();
            throw;
        }
    }

    public long[] ShapeOf(string name)
    {
        OnnxWeight weight = Find(name);
        return weight.Transposed ? [weight.Initializer.Shape[1], weight.Initializer.Shape[0]] : weight.Initializer.Shape;
    }

    public Tensor Read(string name)
    {
        var (initializer, transposed) = Find(name);
        OnnxGraph.TryGetType(initializer.Type, out ScalarType type);
        Tensor stored = _mapping.Tensor(initializer.Data.Start.Value, type, initializer.Shape);
        if (!transposed)
            return stored;
        using (stored)
        using (Tensor view = stored.t())
            return view.contiguous();
    }

    public void Dispose() => _mapping.Dispose();

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

    private OnnxWeight Find(string name) =>
        _weights.TryGetValue(name, out OnnxWeight weight) ? weight : throw Malformed.NoTensor(Description, name);
}
