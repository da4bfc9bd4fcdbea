using System.Globalization;
using Microsoft.ML.Peft.TestSupport;
using Programs.Tests.ChildProcess;

namespace Programs.Tests.Memory;

/// <summary>What a merge takes.</summary>
[TestClass]
public sealed class MergeTests
{
    /// <summary>Two layers of a 7B model: their matrices would be 1.6 GB as floats. An adapter of all 32 layers takes 150 MB more than this one.</summary>
    [TestMethod]
    public void SevenBillionsNeedNoGigabyte()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("peft-merge-7b-");
        try
        {
            string model = Path.Combine(folder.FullName, "model"), adapter = Path.Combine(folder.FullName, "adapter"), merged = Path.Combine(folder.FullName, "merged");
            var files = new LlamaFiles(hidden: 4096, intermediate: 11008, layers: 2, TinyDecoder.Vocabulary);
            files.WriteModel(model);
            files.WriteAdapter(adapter);
            string[] lines = Commands.Child.Run("merge-quantized", model, adapter, merged);
            Console.WriteLine($"{lines[^1]} MB at the peak");
            Assert.IsLessThan(1024 - 150, int.Parse(lines[^1], CultureInfo.InvariantCulture), "MB of anonymous memory");
            Assert.IsTrue(File.Exists(Path.Combine(merged, "model.safetensors")));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
