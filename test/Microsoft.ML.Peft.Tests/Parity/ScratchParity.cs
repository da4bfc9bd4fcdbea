using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tests.Training;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Bottleneck;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Parity;

[TestClass]
public sealed class ScratchParity
{
    [TestMethod]
    [DataRow("prefix-gpt2"), DataRow("prefix-llama"), DataRow("prefix-roberta"), DataRow("prefix-bert-ner"), DataRow("prompt-gpt2"), DataRow("prompt-roberta"), DataRow("prompt-llama"), DataRow("ln-tuning-roberta"), DataRow("bn-seq-bert"), DataRow("bn-par-roberta"), DataRow("bn-double-gpt2"), DataRow("bn-par-gpt2"), DataRow("bn-seq-gpt2"), DataRow("bn-double-bert"), DataRow("lora-t5")]
    public void Run(string name) { One(name, false); One(name, true); }

    private static void One(string name, bool checkpointed)
    {
        using var scope = NewDisposeScope();
        using var parity = new ParityCase(Path.Combine(SharedData.Parity, name));
        using var loaded = new LoadedModel(parity);
        string folder = Path.Combine(parity.Folder, "adapter");
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "adapter_config.json")))!.AsObject();
        bool hub = name.StartsWith("bn-", StringComparison.Ordinal);
        TunerOptions options = hub ? BottleneckOptions.Read(config, folder) : TunerRegistry.FromAdapterConfig(config, folder);
        using ITuner tuner = options.Create();
        tuner.Attach(new TuningTarget(loaded.Model.Weights, loaded.Model.DefaultTargets, loaded.Head.Parameters), seed: 1);
        using (ITensorSource source = Open(folder, hub))
            tuner.Import(source);
        using (no_grad())
            parity.Check("out.logits", loaded.Logits(ForwardContext.Inference));
        if (!hub && name != "lora-t5") GenerationParity.Run(parity, loaded);
        if (!hub)
        {
            var written = options.ReadAdapterConfig(config, "").Create() is { } ? tuner.SettingsForExport(options).ToAdapterConfig(config["task_type"]?.GetValue<string>(), "") : null;
            foreach (var (key, node) in config)
                if (!JsonNode.DeepEquals(node, written![key])) Console.WriteLine($"{key}: {node?.ToJsonString()} became {written[key]?.ToJsonString()}");
        }
        JsonNode train = parity.Json["train"]!;
        using var optimizer = new AdamW(tuner.Trainable, TinyRun.Settings(new()
        {
            WeightDecay = train["weight_decay"]!.GetValue<double>(),
            DecayBiasesAndNorms = true,
        }));
        foreach (bool checkpointing in new[] { checkpointed })
        {
            var losses = new List<float>();
            for (int step = 0; step < train["steps"]!.GetValue<int>(); step++)
            {
                using var stepScope = NewDisposeScope();
                var context = new ForwardContext { Seeds = new DropoutSeeds(step), Checkpointing = checkpointing };
                Tensor logits = loaded.Head.Forward(loaded.Model.Forward(loaded.Batch, loaded.Head.Rows(loaded.Batch), context), loaded.Batch, context);
                if (name.StartsWith("prompt-gpt2", StringComparison.Ordinal) || name.StartsWith("prompt-llama", StringComparison.Ordinal)) logits = logits.narrow(1, logits.shape[1] - 13, 13);
                Tensor loss = name == "lora-t5" ? nn.functional.cross_entropy(logits.flatten(0, 1), loaded.Batch.Labels!.flatten(), ignore_index: -100) : logits.shape.Length == 3 && logits.shape[1] == 13 ? nn.functional.cross_entropy(logits.narrow(1, 0, 12).flatten(0, 1), loaded.Batch.Labels!.flatten(), ignore_index: -100) : loaded.Loss(logits);
                losses.Add(loss.item<float>());
                BackwardPass.Run(loss);
                optimizer.Step(train["lr"]!.GetValue<double>(), gradientScale: 1);
                optimizer.ClearGradients();
            }
            parity.Check("train.losses", tensor(losses.ToArray()));
        }
        using (no_grad())
            parity.Check("train.logits", loaded.Logits(ForwardContext.Inference));
    }

    [TestMethod]
    [DataRow("t5"), DataRow("flan-t5")]
    public void Writes(string name)
    {
        using var scope = NewDisposeScope();
        using var parity = new ParityCase(Path.Combine(SharedData.Parity, name));
        using var loaded = new LoadedModel(parity);
        using (no_grad())
        {
            parity.Check("out.encoder", ((IEncoderDecoder)loaded.Model).Encode(loaded.Batch, ForwardContext.Inference));
            Tensor logits = loaded.Logits(ForwardContext.Inference);
            parity.Check("out.logits", logits);
            parity.Check("out.loss", nn.functional.cross_entropy(logits.flatten(0, -2), loaded.Batch.Labels!.flatten(), ignore_index: -100));
            foreach (int beams in new[] { 1, 4 })
            {
                using var session = new EncoderDecoderSession(loaded.Model, loaded.Head, loaded.Batch, ForwardContext.DefaultAdapter);
                var found = TextGenerator.Generate(session, session.Prompts, GenerationSettings.Resolve(
                    new GenerationOptions { MaxNewTokens = 8, MinNewTokens = 8, NumBeams = beams, EosTokenIds = [1] }, new GenerationOptions()));
                parity.Check(beams == 1 ? "out.greedy" : "out.beam4", stack([.. found.Select(texts => cat([zeros(1, ScalarType.Int64), tensor(texts[0].Ids.Select(id => (long)id).ToArray())]))]));
            }
        }
    }

    private static ITensorSource Open(string folder, bool hub)
    {
        if (!hub)
            return SafetensorsFile.Open(Path.Combine(folder, "adapter_model.safetensors"));
        var all = new Dictionary<string, Tensor>();
        foreach (string file in new[] { "adapter.safetensors", "model_head.safetensors" }.Where(f => File.Exists(Path.Combine(folder, f))))
        {
            using var source = SafetensorsFile.Open(Path.Combine(folder, file));
            foreach (string name in source.Names) all[name] = source.Read(name).DetachFromDisposeScope();
        }
        return new HeldTensors(folder, all);
    }
}
