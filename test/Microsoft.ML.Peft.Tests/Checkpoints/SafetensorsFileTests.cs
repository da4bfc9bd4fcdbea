using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Checkpoints;

/// <summary>Reading and writing safetensors files that are as they should be.</summary>
[TestClass]
public sealed class SafetensorsFileTests
{
    public required TestContext TestContext { get; init; }

    [TestMethod]
    public void RewritingAHuggingFaceFileGivesItsBytes()
    {
        string path = Samples.Parity("bert-seq-cls", "model", "model.safetensors");
        using var file = SafetensorsFile.Open(path);
        using DisposeScope scope = NewDisposeScope();
        using var copy = new MemoryStream();
        SafetensorsWriter.Write(copy, file.Entries.Values.OrderBy(entry => entry.Offset).Select(entry => (entry.Name, file.Read(entry.Name))), file.Metadata);
        CollectionAssert.AreEqual(File.ReadAllBytes(path), copy.ToArray());
    }

    [TestMethod]
    public void EveryFileOfTheParityCasesIsRead()
    {
        string[] paths = Directory.GetFiles(Samples.Parity(), "*.safetensors", SearchOption.AllDirectories);
        int tensors = 0;
        foreach (string path in paths)
        {
            using DisposeScope scope = NewDisposeScope();
            using var file = SafetensorsFile.Open(path);
            foreach (TensorEntry entry in file.Entries.Values)
                CollectionAssert.AreEqual(entry.Shape, file.Read(entry.Name).shape);
            tensors += file.Entries.Count;
        }
        TestContext.WriteLine($"{paths.Length} files, {tensors} tensors");
    }

    [TestMethod]
    [DataRow(ScalarType.Float64)]
    [DataRow(ScalarType.Float32)]
    [DataRow(ScalarType.Float16)]
    [DataRow(ScalarType.BFloat16)]
    [DataRow(ScalarType.Int64)]
    [DataRow(ScalarType.Int32)]
    [DataRow(ScalarType.Int16)]
    [DataRow(ScalarType.Int8)]
    [DataRow(ScalarType.Byte)]
    [DataRow(ScalarType.Bool)]
    public void EveryTypeIsReadAsWritten(ScalarType type)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor values = arange(6).reshape(2, 3).to(type);
        string path = Write(("scalar", values[1, 2]), ("transposed", values.t()), ("none", empty([0, 4], type)));
        using var file = SafetensorsFile.Open(path);
        Assert.IsTrue(file.Read("scalar").Equals(values[1, 2]));
        Assert.IsTrue(file.Read("transposed").Equals(values.t()));
        CollectionAssert.AreEqual(new long[] { 0, 4 }, file.Read("none").shape);
        Assert.AreEqual("pt", file.Metadata["format"]);
    }

    [TestMethod]
    public void TensorsOutliveTheirFileAndReleaseTheMapping()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        int before = MappedFile.LiveTensors;
        var file = SafetensorsFile.Open(Write(("a", ones(3))));
        Tensor first = file.Read("a"), second = file.Read("a");
        file.Dispose();
        Assert.AreEqual(before + 2, MappedFile.LiveTensors);
        Assert.AreEqual(6f, (first + second).sum().item<float>());
        first.Dispose();
        second.Dispose();
        Assert.AreEqual(before, MappedFile.LiveTensors);
    }

    [TestMethod]
    public void EditsStayInMemory()
    {
        string path = Write(("a", ones(3)));
        byte[] before = File.ReadAllBytes(path);
        using var file = SafetensorsFile.Open(path);
        using Tensor tensor = file.Read("a");
        tensor.mul_(5);
        Assert.AreEqual(15f, tensor.sum().item<float>());
        CollectionAssert.AreEqual(before, File.ReadAllBytes(path));
    }

    [TestMethod]
    public void AFileInsideAnotherIsReadInPlace()
    {
        byte[] inner = File.ReadAllBytes(Write(("a", arange(5, ScalarType.Float32)), ("b", ones(2, ScalarType.Int64))));
        string path = Path.Combine(Samples.NewFolder(TestContext), "archive");
        File.WriteAllBytes(path, [.. new byte[4099], .. inner, .. new byte[17]]);
        using var file = SafetensorsFile.Open(path, 4099, inner.Length);
        using Tensor a = file.Read("a"), b = file.Read("b");
        CollectionAssert.AreEqual(new float[] { 0, 1, 2, 3, 4 }, a.data<float>().ToArray());
        CollectionAssert.AreEqual(new long[] { 1, 1 }, b.data<long>().ToArray());
    }

    [TestMethod]
    public void AFailedWriteLeavesTheOldFileAlone()
    {
        string path = Write(("a", ones(3)));
        byte[] before = File.ReadAllBytes(path);
        Assert.ThrowsExactly<ArgumentException>(() => SafetensorsWriter.WriteFile(path, [("a", ones(1)), ("a", ones(1))]));
        CollectionAssert.AreEqual(before, File.ReadAllBytes(path));
        Assert.HasCount(1, Directory.GetFiles(Path.GetDirectoryName(path)!));
    }

    private string Write(params (string, Tensor)[] tensors)
    {
        string path = Path.Combine(Samples.NewFolder(TestContext), "model.safetensors");
        SafetensorsWriter.WriteFile(path, tensors);
        return path;
    }
}
