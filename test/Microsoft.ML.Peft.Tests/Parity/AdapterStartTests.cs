using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Lora;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Parity;

/// <summary>Training starts from <c>trainable.safetensors</c> where a case has one.</summary>
[TestClass]
public sealed class AdapterStartTests
{
    private readonly string _folder = Directory.CreateTempSubdirectory("start-").FullName;

    [TestCleanup]
    public void Delete() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void EveryTrainedParameterIsTakenByItsPyTorchName()
    {
        using var scope = NewDisposeScope();
        using var weights = new ModelWeights(null, "base", CPU, 0.02, seed: 1);
        _ = new Projection(weights.Root["base"]["layer"], 4, 3, bias: false);
        using ITuner tuner = new LoraOptions { Rank = 2 }.Create();
        tuner.Attach(new TuningTarget(weights, ["layer"], []), seed: 1);
        File.WriteAllText(Path.Combine(_folder, "adapter_config.json"), """{"peft_type": "LORA", "r": 2, "lora_alpha": 2}""");
        AdapterTensors(tuner, "adapter_model.safetensors", name => PeftNames.Prefix + name, 1);
        AdapterTensors(tuner, "trainable.safetensors", name => PeftNames.Prefix + name.Replace(".weight", ".default.weight", StringComparison.Ordinal), 2);
        AdapterStart.Train(tuner, _folder);
        Assert.IsTrue(tuner.Trainable.All(p => p.Value.eq(2).all().item<bool>()));

        AdapterTensors(tuner, "trainable.safetensors", name => PeftNames.Prefix + name + ".other", 3);
        Assert.ThrowsExactly<AssertFailedException>(() => AdapterStart.Train(tuner, _folder));
        File.Delete(Path.Combine(_folder, "trainable.safetensors"));
        AdapterStart.Train(tuner, _folder);
        Assert.IsTrue(tuner.Trainable.All(p => p.Value.eq(1).all().item<bool>()));
    }

    private void AdapterTensors(ITuner tuner, string file, Func<string, string> name, double value) => SafetensorsWriter.WriteFile(
        Path.Combine(_folder, file), [.. tuner.Trainable.Select(p => (name(p.Name), full(p.Value.shape, value, dtype: ScalarType.Float32)))], null);
}
