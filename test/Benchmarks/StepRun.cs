using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>A model of random weights under a tuner, and training steps on one batch.</summary>
internal sealed class StepRun : IDisposable
{
    private readonly PretrainedModel _model;
    private readonly TunedModel _tuned;
    private readonly Optimizer _optimizer;
    private readonly Batch _batch;
    private readonly bool _checkpointing;

    /// <param name="shape">Model and batch.</param>
    /// <param name="options">What trains.</param>
    /// <param name="quantization">How matrices are kept: each is made and packed before the next; null for floats.</param>
    /// <param name="checkpointing">Whether blocks are computed again in the backward pass.</param>
    /// <param name="optimizer">Where the optimizer's state lies.</param>
    public StepRun(
        StepShape shape, TunerOptions options, QuantizationOptions? quantization = null, bool checkpointing = false,
        TrainingOptimizer optimizer = TrainingOptimizer.AdamW)
    {
        _checkpointing = checkpointing;
        _model = ModelRegistry.Create(HfConfig.Parse(shape.Config, "benchmark"), null, CPU, seed: 1, quantization);
        Head head = shape.CreateHead(_model);
        _tuned = new TunedModel(_model, head, options.Create());
        // Random weights are all new: what a checkpoint would bring does not train beside the tuner.
        _tuned.Tuner.Attach(new TuningTarget(_model.Weights, _model.DefaultTargets, shape.Vocabulary > 0 ? [] : head.Parameters), seed: 1);
        _optimizer = new Optimizer(_tuned.Trainable, new TrainingSettings(new() { Optimizer = optimizer }, new TrainingDefaults(LearningRate: 1e-3)));
        _batch = Batch.Collate(shape.Examples(), CPU, withLabels: true);
    }

    /// <summary>Bytes a parameter of the matrices that are packed.</summary>
    public double PackedBytes => _model.Weights.Quantized.Sum(w => (double)w.Matrix.Bytes) / _model.Weights.Quantized.Sum(w => (double)w.Matrix.Inputs * w.Matrix.Outputs);

    public void Step()
    {
        using var scope = NewDisposeScope();
        var context = new ForwardContext { Seeds = new DropoutSeeds(1), Checkpointing = _checkpointing };
        Tensor hidden = _tuned.Features(_batch, context);
        BackwardPass.Run(Loss(hidden, context));
        _optimizer.Step(1e-4, gradientScale: 1);
        _optimizer.ClearGradients();
    }

    public void Dispose()
    {
        _batch.Dispose();
        _optimizer.Dispose();
        _tuned.Dispose();
        _model.Dispose();
    }

    private Tensor Loss(Tensor hidden, ForwardContext context) => _tuned.Head is LanguageModelHead language
        ? language.TokenLosses(hidden, _batch.Labels!, context).mean()
        : nn.functional.cross_entropy(_tuned.Head.Forward(hidden, _batch, context), _batch.Labels!);
}
