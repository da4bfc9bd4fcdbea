using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Full;

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
        using var run = new StepRun(shape, options, checkpointing: checkpointing);
        run.Step();
        // On a shared machine the peak itself moves: each step is held against the one measured just before it.
        var runs = Enumerable.Range(0, Steps).Select(_ => (Gflops: GemmPeak.Gflops(), Seconds: Figure.Median(1, run.Step)))
            .OrderBy(step => step.Gflops * step.Seconds).ToList();
        var (gflops, seconds) = runs[Steps / 2];
        double flops = options is FullOptions ? 3 * shape.Forward : shape.LoraStep;
        new Figure(name + "/share", flops / seconds / 1e9 / gflops, "share of GEMM peak", goal, peer).Print(gflops);
        new Figure(name + "/time", seconds * 1000, "ms", null, null).Print(gflops);
    }
}
