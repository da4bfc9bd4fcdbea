using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Tests.Checkpoints;

/// <summary>A Git LFS pointer in the place of a file is called by its name, whatever file it stands for.</summary>
[TestClass]
public sealed class LfsPointerTests
{
    private const string Pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";

    private static readonly Dictionary<string, Action<string>> Readers = new()
    {
        ["model.safetensors"] = folder => CheckpointFolder.Open(folder).Dispose(),
        ["pytorch_model.bin"] = folder => CheckpointFolder.Open(folder).Dispose(),
        ["model.onnx"] = folder => CheckpointFolder.Open(folder).Dispose(),
        ["model.gguf"] = folder => CheckpointFolder.Open(folder).Dispose(),
        ["model.safetensors.index.json"] = folder => CheckpointFolder.Open(folder).Dispose(),
        ["tokenizer.model"] = folder => TextTokenizer.Load(folder),
        ["tokenizer.json"] = folder => TextTokenizer.Load(folder),
        ["tokenizer_config.json"] = folder => TextTokenizer.Load(folder),
        ["added_tokens.json"] = folder => TextTokenizer.Load(folder),
        ["vocab.txt"] = folder => TextTokenizer.Load(folder),
        ["config.json"] = folder => HfConfig.Load(folder),
        ["generation_config.json"] = folder => GenerationConfigFile.Load(folder, HfConfig.Parse("{}", "none")),
        ["adapter_config.json"] = folder => AdapterFolder.ReadOptions(folder),
        ["adapter_model.safetensors"] = ReadAdapter,
        ["adapter_model.bin"] = ReadAdapter,
        ["modules.json"] = folder => SentenceTransformersFolder.Read(folder),
    };

    public static IEnumerable<object[]> Files => Readers.Keys.Select(file => new object[] { file });

    [TestMethod]
    [DynamicData(nameof(Files))]
    public void ItIsNamed(string file)
    {
        string folder = Directory.CreateTempSubdirectory("lfs-").FullName;
        try
        {
            File.WriteAllText(Path.Combine(folder, file), Pointer);
            string message = Assert.Throws<InvalidDataException>(() => Readers[file](folder)).Message;
            StringAssert.Contains(message, file);
            StringAssert.Contains(message, "Git LFS pointer");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void ReadAdapter(string folder)
    {
        File.WriteAllText(Path.Combine(folder, "adapter_config.json"), """{"peft_type": "LORA"}""");
        AdapterFolder.Read(folder);
    }

    [TestMethod]
    public void MergesAreReadByTheSameReader()
    {
        string folder = Directory.CreateTempSubdirectory("lfs-").FullName;
        File.WriteAllText(Path.Combine(folder, "vocab.json"), """{"a": 0}""");
        File.WriteAllText(Path.Combine(folder, "merges.txt"), Pointer);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => TextTokenizer.Load(folder)).Message, "Git LFS pointer");
        Directory.Delete(folder, recursive: true);
    }
}
