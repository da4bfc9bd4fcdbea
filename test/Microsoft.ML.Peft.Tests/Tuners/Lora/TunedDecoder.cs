using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Lora;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Tuners.Lora;

/// <summary>A decoder of random weights under LoRA; the same seed makes the same one.</summary>
internal sealed class TinyDecoder : IDisposable
{
    public const int Vocabulary = 20, Width = 16;

    private readonly PretrainedModel _model;
    private readonly Head _head;

    public TinyDecoder(LoraOptions options, string type = "llama", bool tied = true)
    {
        var config = new JsonObject
        {
            ["model_type"] = type, ["tie_word_embeddings"] = tied, ["vocab_size"] = Vocabulary, ["initializer_range"] = 0.3,
            ["hidden_size"] = Width, ["num_hidden_layers"] = 2, ["num_attention_heads"] = 2, ["intermediate_size"] = 24, ["max_position_embeddings"] = 32,
            ["n_embd"] = Width, ["n_layer"] = 2, ["n_head"] = 2, ["n_positions"] = 32,
            ["embd_pdrop"] = 0.0, ["attn_pdrop"] = 0.0, ["resid_pdrop"] = 0.0,
        };
        _model = ModelRegistry.Create(HfConfig.Parse(config.ToJsonString(), "tiny"), null, CPU, seed: 5);
        _head = _model.CreateLanguageModelHead();
        Options = options;
        Tuner = (LoraTuner)options.Create();
        // Without a checkpoint everything is new: an untied head would train as a whole.
        Tuner.Attach(new TuningTarget(_model.Weights, _model.DefaultTargets, []), seed: 1);
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
        using Tensor hidden = _model.Forward(batch, RowSelection.All, context);
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
    public TinyDecoder Reloaded(string type = "llama", bool tied = true)
    {
        var settings = (LoraOptions)Tuner.SettingsForExport(Options);
        var config = settings.ToAdapterConfig(null, "base");
        var copy = new TinyDecoder(LoraConfigFile.Read(config, "adapter_config.json"), type, tied);
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
    }
}
