using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>A step over 64 million weights by each optimizer, where memory suffices for all of its state.</summary>
internal sealed class OptimizerBenchmark : IBenchmark
{
    private const long Weights = 64 << 20;

    public string Name => "optimizer-step";

    public void Run()
    {
        double gflops = GemmPeak.Gflops();
        foreach (TrainingOptimizer kind in Enum.GetValues<TrainingOptimizer>())
        {
            using var weight = new Parameter("w", ones(Weights).DetachFromDisposeScope(), owned: true);
            weight.MakeTrainable();
            using Tensor gradient = randn(Weights);
            weight.Value.grad = gradient;
            using var optimizer = new Optimizer([weight], new TrainingSettings(new() { Optimizer = kind }, new TrainingDefaults(LearningRate: 1e-3)));
            optimizer.Step(1e-4, gradientScale: 1);
            double seconds = Figure.Median(5, () => optimizer.Step(1e-4, gradientScale: 1));
            new Figure($"{Name}/{kind}", seconds * 1000, "ms", null, null).Print(gflops);
            new Figure($"{Name}/{kind}/state", (double)optimizer.StateBytes / Weights, "bytes a weight", null, null).Print(gflops);
            optimizer.ClearGradients();
        }
    }
}
