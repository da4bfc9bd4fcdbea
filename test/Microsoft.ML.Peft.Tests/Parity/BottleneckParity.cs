using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Bottleneck;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Parity;

/// <summary>A bottleneck adapter in AdapterHub's form: with it, without it, with layers left out, six steps of training.</summary>
internal static class BottleneckParity
{
    private const string AdapterFile = "adapter.safetensors", HeadFile = "model_head.safetensors";

    public static void Run(ParityCase parity)
    {
        using var scope = NewDisposeScope();
        using var loaded = new LoadedModel(parity);
        string folder = Path.Combine(parity.Folder, "adapter");
        JsonObject config = ExpectedJson.Read(Path.Combine(folder, "adapter_config.json"));
        BottleneckOptions options = BottleneckOptions.Read(config, folder);
        using (ITuner tuner = Attach(options, loaded, folder))
        {
            Tensor logits = Logits(loaded);
            parity.Check("out.logits", logits);
            parity.Check("out.loss", loaded.Loss(logits));
            GenerationParity.Run(parity, loaded);
            TunerParity.CheckTraining(parity, loaded, tuner, [AdapterFile, HeadFile]);
        }
        CheckPlain(parity, loaded, options, folder);
    }

    // Head and base as they came; the adapter is skipped, in all layers or in some.
    private static void CheckPlain(ParityCase parity, LoadedModel loaded, BottleneckOptions options, string folder)
    {
        if (parity.Json["skip_layers"] is JsonArray layers)
        {
            using ITuner skipped = Attach(options.Without([.. layers.Select(layer => (int)layer!)]), loaded, folder);
            parity.Check("out.skipped_logits", Logits(loaded));
        }
        using ITuner none = Attach(options.Without([.. Enumerable.Range(0, loaded.Model.Sites.Attentions.Count)]), loaded, folder);
        parity.Check("out.plain_logits", Logits(loaded));
    }

    private static ITuner Attach(BottleneckOptions options, LoadedModel loaded, string folder)
    {
        ITuner tuner = options.Create();
        tuner.Attach(new TuningTarget(loaded.Model.Weights, loaded.Model.DefaultTargets, loaded.Head.Parameters), seed: 1);
        var wanted = tuner.Export().Select(tensor => tensor.Name).ToHashSet();
        using ITensorSource source = Tensors(folder, name => wanted.Contains(name) || options.LeaveOut.Count == 0);
        tuner.Import(source);
        return tuner;
    }

    private static HeldTensors Tensors(string folder, Predicate<string> wanted)
    {
        var all = new Dictionary<string, Tensor>();
        foreach (string file in new[] { AdapterFile, HeadFile }.Select(name => Path.Combine(folder, name)).Where(File.Exists))
        {
            using var source = SafetensorsFile.Open(file);
            foreach (string name in source.Names.Where(name => wanted(name)))
                all[name] = source.Read(name).DetachFromDisposeScope();
        }
        return new HeldTensors(folder, all);
    }

    private static Tensor Logits(LoadedModel loaded)
    {
        using var noGrad = no_grad();
        return loaded.Logits(ForwardContext.Inference);
    }
}
