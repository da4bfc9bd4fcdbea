using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tests.Training;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Lora;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Parity;

/// <summary>A PEFT adapter over a model: logits, merged logits, what it generates, a round trip of its folder, six steps of training.</summary>
internal static class TunerParity
{
    public static void Run(ParityCase parity)
    {
        using var scope = NewDisposeScope();
        using var loaded = new LoadedModel(parity);
        string folder = Path.Combine(parity.Folder, "adapter");
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, LoraConfigFile.FileName)))!.AsObject();
        LoraOptions options = LoraConfigFile.Read(config, folder);
        QuantizationParity.CheckBase(parity, loaded);
        using ITuner tuner = options.Create();
        tuner.Attach(new TuningTarget(loaded.Model.Weights, loaded.Model.DefaultTargets, loaded.Head.Parameters), seed: 1);
        Import(tuner, folder);

        CheckRoundTrip(tuner, options, config, folder);
        Tensor logits = Logits(loaded);
        parity.Check("out.logits", logits);
        GenerationParity.Run(parity, loaded);
        CheckMerge(parity, loaded, tuner, logits);
        if (parity.Json["trainable"]?.GetValue<long>() is { } trainable)
            Assert.AreEqual(trainable, tuner.Trainable.Sum(p => p.Value.numel()), "trainable parameters");
        CheckTraining(parity, loaded, tuner);
    }

    private static Tensor Logits(LoadedModel loaded)
    {
        using var noGrad = no_grad();
        return loaded.Logits(ForwardContext.Inference);
    }

    private static void Import(ITuner tuner, string folder)
    {
        using ITensorSource source = SafetensorsFile.Open(Path.Combine(folder, "adapter_model.safetensors"));
        tuner.Import(source);
    }

    private static void CheckRoundTrip(ITuner tuner, LoraOptions options, JsonObject config, string folder)
    {
        Assert.IsTrue(JsonNode.DeepEquals(config, LoraConfigFile.Write((LoraOptions)tuner.SettingsForExport(options), config, null, "")), "adapter_config.json changes on its way");
        using var file = SafetensorsFile.Open(Path.Combine(folder, "adapter_model.safetensors"));
        var exported = tuner.Export().ToDictionary(t => t.Name, t => t.Value);
        CollectionAssert.AreEquivalent(file.Entries.Keys.ToList(), exported.Keys.ToList());
        foreach (var (name, value) in exported)
            TensorAssert.Close(file.Read(name), value, 0, 0, $"{name} after a round trip");
    }

    private static void CheckMerge(ParityCase parity, LoadedModel loaded, ITuner tuner, Tensor before)
    {
        Assert.IsTrue(tuner.TryMerge());
        Tensor merged = Logits(loaded);
        if (parity.Has("out.merged_logits"))
            parity.Check("out.merged_logits", merged);
        else
            TensorAssert.Close(before, merged, parity.Absolute, parity.Relative, "logits after merging");
        tuner.Unmerge();
        TensorAssert.Close(before, Logits(loaded), 0, 0, "logits after unmerging");
    }

    private static void CheckTraining(ParityCase parity, LoadedModel loaded, ITuner tuner)
    {
        JsonNode train = parity.Json["train"]!;
        using var optimizer = new AdamW(tuner.Trainable, TinyRun.Settings(new()
        {
            WeightDecay = train["weight_decay"]!.GetValue<double>(),
            DecayBiasesAndNorms = true,
        }));
        var losses = new List<float>();
        for (int step = 0; step < train["steps"]!.GetValue<int>(); step++)
        {
            using var stepScope = NewDisposeScope();
            Tensor loss = loaded.Loss(loaded.Logits(new ForwardContext { Seeds = new DropoutSeeds(step) }));
            losses.Add(loss.item<float>());
            BackwardPass.Run(loss);
            optimizer.Step(train["lr"]!.GetValue<double>(), gradientScale: 1);
            optimizer.ClearGradients();
        }
        parity.Check("train.losses", tensor(losses.ToArray()));
        parity.Check("train.logits", Logits(loaded));
        using var trained = SafetensorsFile.Open(Path.Combine(parity.Folder, "adapter-trained", "adapter_model.safetensors"));
        foreach (var (name, value) in tuner.Export())
            TensorAssert.Close(trained.Read(name), value, parity.Absolute, parity.Relative, $"trained {name}");
    }
}
