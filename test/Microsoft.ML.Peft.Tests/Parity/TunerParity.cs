using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tests.Training;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Parity;

/// <summary>An adapter in PEFT's form over a model: logits, merged logits, what it generates, a round trip of its folder, six steps of training.</summary>
internal static class TunerParity
{
    // The folder's README says it where a case does not.
    private const double UsualDecay = 0.01;

    public static void Run(ParityCase parity)
    {
        using var scope = NewDisposeScope();
        using var loaded = new LoadedModel(parity);
        string folder = Path.Combine(parity.Folder, "adapter");
        TunerOptions options = AdapterFolder.ReadOptions(folder);
        QuantizationParity.CheckBase(parity, loaded);
        if (parity.Has("out.plain_logits"))
            parity.Check("out.plain_logits", Logits(loaded));
        using (ITuner saved = Attach(options, loaded))
        {
            AdapterStart.Import(saved, folder);
            CheckSettings(saved.SettingsForExport(options), options, folder);
            CheckTensors(saved, folder);
            Tensor logits = Logits(loaded);
            parity.Check("out.logits", logits);
            parity.Check("out.loss", loaded.Loss(logits));
            GenerationParity.Run(parity, loaded);
            CheckMerge(parity, loaded, saved, logits);
        }
        // Of a prompt that a network makes the folder holds the result alone: it is trained as one that starts anew.
        using ITuner tuner = Attach(options, loaded);
        if (parity.Json["trainable"]?.GetValue<long>() is { } trainable)
            Assert.AreEqual(trainable, tuner.Trainable.Sum(p => p.Value.numel()), "trainable parameters");
        AdapterStart.Train(tuner, folder);
        CheckTraining(parity, loaded, tuner);
    }

    private static ITuner Attach(TunerOptions options, LoadedModel loaded)
    {
        ITuner tuner = options.Create();
        tuner.Attach(new TuningTarget(loaded.Model.Weights, loaded.Model.DefaultTargets, loaded.Head.Parameters), seed: 1);
        return tuner;
    }

    private static Tensor Logits(LoadedModel loaded)
    {
        using var noGrad = no_grad();
        return loaded.Logits(ForwardContext.Inference);
    }

    /// <summary>What is written says what was read, and says it in PEFT's words.</summary>
    private static void CheckSettings(TunerOptions exported, TunerOptions read, string folder)
    {
        Assert.IsTrue(JsonNode.DeepEquals(read.ToJson(), exported.ToJson()), "the settings change on their way");
        JsonObject original = ExpectedJson.Read(Path.Combine(folder, "adapter_config.json"));
        JsonObject written = ((IPeftAdapterFormat)exported).ToAdapterConfig((string?)original["task_type"], (string?)original["base_model_name_or_path"] ?? "");
        foreach (var (key, value) in written)
        {
            if (!(IsNothing(original[key]) && IsNothing(value)) && !JsonNode.DeepEquals(original[key], value))
                Assert.Fail($"adapter_config.json: {key} is {original[key]?.ToJsonString()} in the file, {value?.ToJsonString()} as written.");
        }
        Assert.IsTrue(JsonNode.DeepEquals(read.ToJson(), TunerRegistry.FromAdapterConfig(written, folder).ToJson()), "adapter_config.json loses a setting");
    }

    // PEFT takes what is empty for what is not there.
    private static bool IsNothing(JsonNode? value) =>
        value is null or JsonArray { Count: 0 } or JsonObject { Count: 0 } || (value is JsonValue text && text.TryGetValue(out string? said) && said == "");

    private static void CheckTensors(ITuner tuner, string folder)
    {
        using AdapterState saved = AdapterFolder.Read(folder);
        ITensorSource file = saved.Tensors;
        var exported = tuner.Export().ToDictionary(t => t.Name, t => t.Value);
        CollectionAssert.AreEquivalent(file.Names.ToList(), exported.Keys.ToList(), folder);
        foreach (var (name, value) in exported)
            TensorAssert.Close(file.Read(name), value, 0, 0, $"{name} after a round trip");
    }

    private static void CheckMerge(ParityCase parity, LoadedModel loaded, ITuner tuner, Tensor before)
    {
        if (!tuner.TryMerge())
            return;
        Tensor merged = Logits(loaded);
        if (parity.Has("out.merged_logits"))
            parity.Check("out.merged_logits", merged);
        else
            TensorAssert.Close(before, merged, parity.Absolute, parity.Relative, "logits after merging");
        tuner.Unmerge();
        TensorAssert.Close(before, Logits(loaded), 0, 0, "logits after unmerging");
    }

    /// <summary>Six steps, and what they make of the adapter.</summary>
    /// <param name="parity">The case.</param>
    /// <param name="loaded">Its model.</param>
    /// <param name="tuner">The adapter at its start.</param>
    /// <param name="files">The files of the trained one; none for PEFT's.</param>
    public static void CheckTraining(ParityCase parity, LoadedModel loaded, ITuner tuner, params string[] files)
    {
        parity.Check("train.losses", tensor(Train(parity, tuner, context => loaded.Loss(loaded.Logits(context)))));
        if (parity.Has("train.logits"))
            parity.Check("train.logits", Logits(loaded));
        parity.CheckTrained(tuner.Export(), files);
    }

    /// <summary>The steps of a case with AdamW.</summary>
    /// <param name="parity">The case.</param>
    /// <param name="tuner">What trains.</param>
    /// <param name="loss">The loss of the case's batch.</param>
    /// <returns>The loss before each step.</returns>
    public static float[] Train(ParityCase parity, ITuner tuner, Func<ForwardContext, Tensor> loss)
    {
        JsonNode train = parity.Json["train"]!;
        using var optimizer = new Optimizer(tuner.Trainable, TinyRun.Settings(new()
        {
            WeightDecay = train["weight_decay"]?.GetValue<double>() ?? UsualDecay,
            DecayBiasesAndNorms = true,
        }));
        var participants = new Participants(tuner);
        participants.WeightsChanged();
        var losses = new List<float>();
        int steps = train["steps"]!.GetValue<int>();
        for (int step = 0; step < steps; step++)
        {
            using var stepScope = NewDisposeScope();
            participants.BeforeStep(step);
            Tensor value = loss(new ForwardContext { Seeds = new DropoutSeeds(step) });
            losses.Add(value.item<float>());
            BackwardPass.Run(value);
            participants.AfterBackward(step);
            optimizer.Step(train["lr"]!.GetValue<double>(), gradientScale: 1);
            participants.AfterStep(step, steps);
            optimizer.ClearGradients();
        }
        return [.. losses];
    }
}
