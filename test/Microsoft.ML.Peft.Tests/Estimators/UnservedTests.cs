using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.TestSupport;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Estimators;

/// <summary>What the library can compute and has no task or estimator for is refused at users' doors, by name.</summary>
[TestClass]
public sealed class UnservedTests
{
    private readonly MLContext _ml = TestDevice.NewContext(seed: 1);

    [TestMethod]
    [DataRow("IA3"), DataRow("LN_TUNING")]
    public void AnAdapterWithoutAnEstimatorIsRefused(string kind)
    {
        using var decoder = new TinyDecoder();
        string folder = Directory.CreateTempSubdirectory("unserved-").FullName;
        try
        {
            File.WriteAllText(Path.Combine(folder, "adapter_config.json"), new JsonObject
            {
                ["peft_type"] = kind, ["num_virtual_tokens"] = 2, ["num_layers"] = 2, ["num_attention_heads"] = 2, ["token_dim"] = 16,
                ["target_modules"] = new JsonArray("v_proj"), ["feedforward_modules"] = new JsonArray(),
            }.ToJsonString());
            using (var scope = NewDisposeScope())
                SafetensorsWriter.WriteFile(Path.Combine(folder, "adapter_model.safetensors"), [("x", zeros([1], ScalarType.Float32, CPU))]);
            IDataView rows = _ml.Data.LoadFromEnumerable([new { Prompt = "a" }]);
            Assert.Contains(kind, Assert.ThrowsExactly<NotSupportedException>(() => _ml.Peft().Generate(decoder.Folder, adapterFolder: folder).Fit(rows)).Message);
            Assert.Contains(kind, Assert.ThrowsExactly<NotSupportedException>(() => _ml.Peft().Lora(
                new LoraFineTune.Options { BaseModel = decoder.Folder, AdapterFolder = folder, Task = PeftTask.TextGeneration() })).Message);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
