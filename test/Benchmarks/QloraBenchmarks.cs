namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>
/// A QLoRA step of LLaMA's 110M shape beside the LoRA step over floats, in turns: NF4 with double quantization below, all seven
/// projections above. Its peak memory is printed before the floats exist.
/// </summary>
/// <param name="name">The benchmark's name.</param>
/// <param name="rounded">Whether the forward pass rounds its inputs to 8 bits.</param>
/// <param name="goal">The share of the float step's time to stay below.</param>
internal sealed class QloraStepBenchmark(string name, bool rounded, double goal) : IBenchmark
{
    private const int Steps = 7;

    public string Name => name;

    public void Run()
    {
        var lora = new LoraOptions { TargetModules = [LoraOptions.AllLinear] };
        using var packed = new StepRun(StepShape.Llama110M, lora, new() { DoubleQuantization = true, QuantizeActivations = rounded });
        Figure.Median(Steps, packed.Step);
        double gflops = GemmPeak.Gflops();
        new Figure(name + "/bytes", packed.PackedBytes, "bytes a packed parameter; the peak beside it is the packed model's alone", 0.52, null).Print(gflops);
        using var floats = new StepRun(StepShape.Llama110M, lora);
        floats.Step();
        var pairs = Enumerable.Range(0, Steps).Select(_ => (Packed: Figure.Median(1, packed.Step), Floats: Figure.Median(1, floats.Step)))
            .OrderBy(pair => pair.Packed / pair.Floats).ToList();
        var (ours, theirs) = pairs[Steps / 2];
        new Figure(name, ours / theirs, "of the float LoRA step's time", goal, rounded ? null : 1.33).Print(gflops);
        new Figure(name + "/time", ours * 1000, "ms", null, theirs * 1000).Print(gflops);
    }
}

/// <summary>
/// QLoRA steps of large LLaMA shapes, over weights that are made and packed one by one: the recipe of
/// <c>ml.Peft().Qlora(...)</c> (all projections, double quantization, paged AdamW, checkpointing) at rank 16.
/// </summary>
/// <param name="name">The benchmark's name.</param>
/// <param name="shape">The model; a row of 64 tokens is a batch.</param>
/// <param name="memory">GiB to stay below.</param>
/// <param name="fourRows">Whether a batch of four rows, that keeps its activations, is timed too against the run's GEMM peak.</param>
internal sealed class LargeQloraBenchmark(string name, StepShape shape, double memory, bool fourRows) : IBenchmark
{
    public string Name => name;

    public void Run()
    {
        double gflops = GemmPeak.Gflops();
        Measure("/1x64", shape, checkpointing: true, gflops, null);
        if (fourRows)
            Measure("/4x64", shape with { Rows = 4 }, checkpointing: false, gflops, 1.3);
    }

    private void Measure(string part, StepShape batch, bool checkpointing, double gflops, double? goal)
    {
        using var run = new StepRun(
            batch, new LoraOptions { Rank = 16, TargetModules = [LoraOptions.AllLinear] }, new() { DoubleQuantization = true }, checkpointing,
            TrainingOptimizer.PagedAdamW32Bit);
        run.Step();
        double seconds = Figure.Median(3, run.Step);
        // A checkpointed step computes each block's forward pass twice.
        double flops = batch.LoraStep + (checkpointing ? batch.Forward : 0);
        new Figure(name + part, seconds, $"seconds a step; at most {memory} GiB", null, null).Print(gflops);
        new Figure(name + part + "/bound", seconds / (flops / 1e9 / gflops), "times what its FLOPs take at the GEMM peak", goal, null).Print(gflops);
    }
}
