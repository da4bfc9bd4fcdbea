using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Lora;
using Microsoft.ML.Peft.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Tuners.Lora;

/// <summary>A <see cref="TinyDecoder"/> under LoRA; the same settings make the same one.</summary>
internal sealed class TunedDecoder : IDisposable
{
    private readonly TinyDecoder _folder;
    private readonly TextModel _model;
    private readonly Head _head;

    public TunedDecoder(LoraOptions options, string type = "llama", bool tied = true)
    {
        _folder = new TinyDecoder(type, change: config => config["tie_word_embeddings"] = tied);
        _model = ModelRegistry.Create(HfConfig.Load(_folder.Folder), SharedCheckpoint.Acquire(_folder.Folder, CPU), CPU, seed: 5).As<TextModel>();
        _head = _model.As<ICausalLanguageModel>().CreateLanguageModelHead();
        Options = options;
        Tuner = (LoraTuner)options.Create();
        try
        {
            Tuner.Attach(new TuningTarget(_model.Weights, _model.DefaultTargets, []), seed: 1);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public LoraOptions Options { get; }

    public LoraTuner Tuner { get; }

    public ModelWeights Weights => _model.Weights;

    public Parameter Table => Weights.Sites.Tokens!.Table;

    public Tensor Logits(params long[] ids) => Logits(ForwardContext.Inference, ids);

    public Tensor Logits(ForwardContext context, params long[] ids) => LogitsOf(context, ids);

    public Tensor LogitsOf(ForwardContext context, params long[][] rows)
    {
        using var batch = new Batch { Ids = tensor([.. rows.SelectMany(row => row)]).view(rows.Length, -1), Examples = [] };
        using Tensor hidden = _model.Forward(batch, PositionSelection.All, context);
        return _head.Forward(hidden, batch, context);
    }

    /// <summary>Gives everything that trains other values.</summary>
    public void Disturb(long seed = 3)
    {
        using var noGrad = no_grad();
        using var generator = new Generator((ulong)seed, CPU);
        foreach (Parameter parameter in Tuner.Trainable)
            parameter.Value.add_(normal(0, 0.1, parameter.Value.shape, generator: generator));
    }

    /// <summary>The same base with what this one's tuner would save.</summary>
    public TunedDecoder Reloaded(string type = "llama", bool tied = true)
    {
        var settings = (LoraOptions)Tuner.SettingsForExport(Options);
        var config = ((IPeftAdapterFormat)settings).ToAdapterConfig(null, "base");
        var copy = new TunedDecoder(LoraConfigFile.Read(config, "adapter_config.json"), type, tied);
        string file = Path.GetTempFileName();
        try
        {
            SafetensorsWriter.WriteFile(file, Tuner.Export(), null);
            using var source = SafetensorsFile.Open(file);
            copy.Tuner.Import(source);
        }
        finally
        {
            File.Delete(file);
        }
        return copy;
    }

    public void Dispose()
    {
        Tuner.Dispose();
        _model.Dispose();
        _folder.Dispose();
    }
}
