using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Weights;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Checkpoints;

/// <summary>Hugging Face's cache holds a model's files as links to blobs.</summary>
[TestClass]
public sealed class SymbolicLinkTests
{
    [TestMethod]
    public void AFolderOfLinksIsRead()
    {
        if (OperatingSystem.IsWindows())
            Assert.Inconclusive("Links need a privilege on Windows.");
        using var bert = new TinyBert();
        string links = Directory.CreateTempSubdirectory("links-").FullName;
        try
        {
            foreach (string file in Directory.GetFiles(bert.Folder))
                File.CreateSymbolicLink(Path.Combine(links, Path.GetFileName(file)), file);
            using SharedCheckpoint direct = SharedCheckpoint.Acquire(bert.Folder, CPU), linked = SharedCheckpoint.Acquire(links, CPU);
            CollectionAssert.AreEquivalent(direct.Names.ToList(), linked.Names.ToList());
            Assert.AreEqual(direct.ContentHash, linked.ContentHash);
        }
        finally
        {
            Directory.Delete(links, recursive: true);
        }
    }
}
