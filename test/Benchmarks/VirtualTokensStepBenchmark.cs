using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>A step of GPT-2's shape under virtual tokens beside a LoRA step, in turns: time and what each takes beyond the two models.</summary>
/// <param name="name">The benchmark's name.</param>
/// <param name="options">The method.</param>
/// <param name="lora">What the LoRA step reads.</param>
internal sealed class VirtualTokensStepBenchmark(string name, TunerOptions options, StepShape lora) : IBenchmark
{
    private const int Steps = 11;
    private const double Goal = 1.02;

    public string Name => name;

    public void Run()
    {
        double gflops = GemmPeak.Gflops();
        using var ours = new StepRun(StepShape.Gpt2, options);
        using var theirs = new StepRun(lora, new LoraOptions());
        ours.Step();
        theirs.Step();
        // A slow moment of the machine falls on either: each step is held against the two around it.
        var before = new List<double> { Figure.Median(1, theirs.Step) };
        var steps = new List<double>();
        for (int step = 0; step < Steps; step++)
        {
            steps.Add(Figure.Median(1, ours.Step));
            before.Add(Figure.Median(1, theirs.Step));
        }
        double[] ratios = [.. steps.Select((seconds, step) => 2 * seconds / (before[step] + before[step + 1])).Order()];
        new Figure(name, ratios[Steps / 2], $"of the time of a LoRA step over {lora.Rows}x{lora.Length} tokens", Goal, null).Print(gflops);
        new Figure(name + "/time", Middle(steps), "s a step; peer: LoRA's", null, Middle(before)).Print(gflops);
        if (OperatingSystem.IsLinux())
            Memory(gflops, ours, theirs);
    }

    private void Memory(double gflops, StepRun ours, StepRun theirs)
    {
        var growth = Enumerable.Range(0, Steps).Select(_ => (Ours: Growth(ours), Theirs: Growth(theirs))).ToList();
        double mine = Middle(growth.Select(pair => pair.Ours / 1e6)), peer = Middle(growth.Select(pair => pair.Theirs / 1e6));
        new Figure(name + "/memory", mine / peer, "of what a LoRA step grows by", 1, null).Print(gflops);
        new Figure(name + "/memory-mb", mine, "MB that a step grows by; peer: LoRA's", null, peer).Print(gflops);
    }

    private static double Middle(IEnumerable<double> values) => values.Order().ElementAt(Steps / 2);

    private static double Growth(StepRun run)
    {
        var (before, peak) = ProcessMemory.Around(run.Step);
        return peak - before;
    }
}
