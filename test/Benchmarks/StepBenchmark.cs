using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Full;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>A training step over random weights, as a share of the GEMM peak by the FLOPs that the peer's recipe counts.</summary>
/// <param name="name">The benchmark's name.</param>
/// <param name="shape">Model and batch.</param>
/// <param name="options">What trains.</param>
/// <param name="goal">The share to reach; null where only time and memory are asked for.</param>
/// <param name="peer">PEFT's share.</param>
/// <param name="checkpointing">Whether blocks are computed again in the backward pass.</param>
internal sealed class StepBenchmark(
    string name, StepShape shape, TunerOptions options, double? goal, double? peer, bool checkpointing = false) : IBenchmark
{
    private const int Steps = 7;

    public string Name => name;

    public void Run()
    {
        using PretrainedModel model = ModelRegistry.Create(HfConfig.Parse(shape.Config, "benchmark"), null, CPU, seed: 1);
        Head head = shape.Vocabulary > 0 ? model.CreateLanguageModelHead() : model.CreateSequenceClassificationHead(2);
        using var tuned = new TunedModel(model, head, options.Create());
        // Random weights are all new: what a checkpoint would bring does not train beside the tuner.
        tuned.Tuner.Attach(new TuningTarget(model.Weights, model.DefaultTargets, shape.Vocabulary > 0 ? [] : head.Parameters), seed: 1);
        using var optimizer = new AdamW(tuned.Trainable, new TrainingOptions());
        using Batch batch = RandomBatch();

        Step(tuned, optimizer, batch);
        // On a shared machine the peak itself moves: each step is held against the one measured just before it.
        var runs = Enumerable.Range(0, Steps).Select(_ => (Gflops: GemmPeak.Gflops(), Seconds: Figure.Median(1, () => Step(tuned, optimizer, batch))))
            .OrderBy(run => run.Gflops * run.Seconds).ToList();
        var (gflops, seconds) = runs[Steps / 2];
        double flops = options is FullOptions ? 3 * shape.Forward : shape.LoraStep;
        new Figure(name + "/share", flops / seconds / 1e9 / gflops, "share of GEMM peak", goal, peer).Print(gflops);
        new Figure(name + "/time", seconds * 1000, "ms", null, null).Print(gflops);
    }

    private void Step(TunedModel tuned, AdamW optimizer, Batch batch)
    {
        using var scope = NewDisposeScope();
        var context = new ForwardContext { Seeds = new DropoutSeeds(1), Checkpointing = checkpointing };
        Tensor hidden = tuned.Features(batch, context);
        BackwardPass.Run(Loss(tuned.Head, hidden, batch, context));
        optimizer.Step(1e-4, gradientScale: 1);
        optimizer.ClearGradients();
    }

    private static Tensor Loss(Head head, Tensor hidden, Batch batch, ForwardContext context) => head is LanguageModelHead language
        ? language.TokenLosses(hidden, batch.Labels!, context).mean()
        : nn.functional.cross_entropy(head.Forward(hidden, batch, context), batch.Labels!);

    private Batch RandomBatch()
    {
        var random = new Random(1);
        bool classifies = shape.Vocabulary == 0;
        Example[] rows = [.. Enumerable.Range(0, shape.Rows).Select(i =>
        {
            int[] ids = [.. Enumerable.Range(0, shape.Length).Select(_ => random.Next(5, 30000))];
            return new Example
            {
                Ids = ids,
                TypeIds = new byte[shape.Length],
                Positions = classifies ? [] : [.. Enumerable.Range(0, shape.Length - 1)],
                Labels = classifies ? [i % 2] : ids[1..],
            };
        })];
        return Batch.Collate(rows, padId: 1, CPU, withLabels: true);
    }
}
