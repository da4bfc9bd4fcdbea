using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Weights;

namespace Microsoft.ML.Peft.Tests.Checkpoints;

/// <summary>What is wrong with a safetensors file is said with file, tensor, what was expected and what was found.</summary>
[TestClass]
public sealed class SafetensorsErrorTests
{
    public required TestContext TestContext { get; init; }

    [TestMethod]
    public void AnEmptyFileIsRefused() => Refused([], "expected 0 bytes (at least one)");

    [TestMethod]
    public void AFileShorterThanTheLengthIsRefused() => Refused([1, 0, 0], "expected a header length of 8 bytes, found 3 bytes");

    [TestMethod]
    public void ATruncatedHeaderIsRefused() =>
        Refused(Samples.Safetensors("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4)[..40], "expected a header of at most 32 bytes, found 54");

    [TestMethod]
    public void AnOversizedHeaderIsRefused() => Refused([255, 255, 255, 255, 255, 255, 255, 255, 1], "found 18446744073709551615");

    [TestMethod]
    public void AHeaderThatIsNoJsonIsRefused() => Refused(Samples.Safetensors("{\"a\":", 0), "expected valid JSON");

    [TestMethod]
    public void AHeaderThatIsNoObjectIsRefused() => Refused(Samples.Safetensors("[1]", 0), "expected a JSON object, found Array");

    [TestMethod]
    public void TruncatedDataIsRefused() => Refused(Header("\"F32\"", "[2]", "[0,8]"), 7, "tensor 'a': expected an end within 7 bytes of data, found 8");

    [TestMethod]
    public void DataBeyondTheTensorsIsRefused() => Refused(Header("\"F32\"", "[2]", "[0,8]"), 9, "expected 8 bytes of tensor data, found 9");

    [TestMethod]
    public void AnUnknownTypeIsRefused() => Refused(Header("\"F33\"", "[2]", "[0,8]"), 8, "tensor 'a': expected a dtype of F64, F32");

    [TestMethod]
    public void AMissingTypeIsRefused() => Refused("""{"a":{"shape":[2],"data_offsets":[0,8]}}""", 8, "tensor 'a': expected an object with 'dtype'");

    [TestMethod]
    public void AShapeOfAnotherSizeIsRefused() => Refused(Header("\"F32\"", "[3]", "[0,8]"), 8, "tensor 'a': expected 12 bytes for F32 [3], found 8");

    [TestMethod]
    public void ANegativeSizeIsRefused() => Refused(Header("\"F32\"", "[-2]", "[0,8]"), 8, "non-negative integers under 'shape', found -2");

    [TestMethod]
    public void AShapeTooLargeToCountIsRefused() => Refused(Header("\"F32\"", "[4611686018427387904,4]", "[0,8]"), 8, "tensor 'a': expected");

    [TestMethod]
    public void OffsetsOutOfOrderAreRefused() => Refused(Header("\"F32\"", "[2]", "[8,0]"), 8, "data_offsets [begin, end] in order, found [8, 0]");

    [TestMethod]
    public void FractionalOffsetsAreRefused() => Refused(Header("\"F32\"", "[2]", "[0,8.5]"), 8, "found 8.5");

    [TestMethod]
    public void OverlappingTensorsAreRefused() => Refused(Two("[0,8]", "[4,12]"), 12, "tensor 'b': expected a start at 8, where the tensor before it ends, found 4: they overlap");

    [TestMethod]
    public void AHoleBetweenTensorsIsRefused() => Refused(Two("[0,8]", "[12,20]"), 20, "tensor 'b': expected a start at 8, where the tensor before it ends, found 12: a hole");

    [TestMethod]
    public void ADuplicateNameIsRefused() =>
        Refused("""{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}""", 2, "tensor 'a': expected one entry of that name, found two");

    [TestMethod]
    public void MetadataOtherThanStringsIsRefused() => Refused("""{"__metadata__":{"format":1}}""", 0, "'__metadata__.format'");

    [TestMethod]
    public void ALoneSurrogateInANameIsRefused() => Refused("""{"\ud800":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}""", 1, "expected valid JSON");

    [TestMethod]
    public void AnAbsentTensorIsNamed()
    {
        using var file = SafetensorsFile.Open(Write(Samples.Safetensors(Header("\"F32\"", "[2]", "[0,8]"), 8)));
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => file.Read("b")).Message, "tensor 'b'");
    }

    [TestMethod]
    public void AnIndexMayNotLeaveItsFolder()
    {
        string folder = Samples.NewFolder(TestContext);
        File.WriteAllText(Path.Combine(folder, "model.safetensors.index.json"), """{"weight_map":{"a":"../model.safetensors"}}""");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => CheckpointFolder.Open(folder)).Message, "tensor 'a'");
    }

    [TestMethod]
    public void ShardsAreReadThroughTheirIndex()
    {
        string folder = Samples.NewFolder(TestContext);
        SafetensorsWriter.WriteFile(Path.Combine(folder, "1.safetensors"), [("a", TorchSharp.torch.ones(2))]);
        SafetensorsWriter.WriteFile(Path.Combine(folder, "2.safetensors"), [("b", TorchSharp.torch.ones(3))]);
        string index = Path.Combine(folder, "model.safetensors.index.json");
        File.WriteAllText(index, """{"metadata":{},"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}""");
        using (SharedCheckpoint checkpoint = SharedCheckpoint.Acquire(folder))
            Assert.AreEqual(5f, checkpoint.Get("a", 2).sum().item<float>() + checkpoint.Get("b", 3).sum().item<float>());
        File.WriteAllText(index, """{"weight_map":{"a":"1.safetensors","c":"2.safetensors"}}""");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => CheckpointFolder.Open(folder)).Message, "2.safetensors: expected a tensor 'c'");
        File.Delete(Path.Combine(folder, "2.safetensors"));
        StringAssert.Contains(Assert.ThrowsExactly<FileNotFoundException>(() => CheckpointFolder.Open(folder)).Message, "2.safetensors");
    }

    private static string Header(string type, string shape, string offsets) =>
        $$$"""{"a":{"dtype":{{{type}}},"shape":{{{shape}}},"data_offsets":{{{offsets}}}}}""";

    private static string Two(string first, string second) =>
        $$$"""{"a":{"dtype":"F32","shape":[2],"data_offsets":{{{first}}}},"b":{"dtype":"F32","shape":[2],"data_offsets":{{{second}}}}}""";

    private void Refused(string header, int dataLength, string message) => Refused(Samples.Safetensors(header, dataLength), message);

    private void Refused(byte[] bytes, string message)
    {
        string path = Write(bytes);
        var error = Assert.ThrowsExactly<InvalidDataException>(() => SafetensorsFile.Open(path));
        StringAssert.Contains(error.Message, message);
        StringAssert.StartsWith(error.Message, path);
    }

    private string Write(byte[] bytes)
    {
        string path = Path.Combine(Samples.NewFolder(TestContext), "model.safetensors");
        File.WriteAllBytes(path, bytes);
        return path;
    }
}
