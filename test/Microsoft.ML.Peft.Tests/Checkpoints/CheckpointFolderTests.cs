using Microsoft.ML.Peft.Checkpoints;

namespace Microsoft.ML.Peft.Tests.Checkpoints;

/// <summary>Which file of a folder holds the weights.</summary>
[TestClass]
public sealed class CheckpointFolderTests
{
    public required TestContext TestContext { get; init; }

    [TestMethod]
    public void AnExportedModelIsOpenedWhereNothingElseIs()
    {
        string folder = Samples.NewFolder(TestContext);
        File.WriteAllBytes(Path.Combine(folder, "model.onnx"), OnnxTensorSourceTests.Exported());
        using ITensorSource source = CheckpointFolder.Open(folder);
        Assert.IsInstanceOfType<OnnxTensorSource>(source);
        SafetensorsWriter.WriteFile(Path.Combine(folder, "model.safetensors"), Array.Empty<(string Name, TorchSharp.torch.Tensor Tensor)>());
        Assert.AreEqual("model.safetensors", Path.GetFileName(CheckpointFolder.FilesOf(folder).Single()), "its own format comes first");
    }
}
