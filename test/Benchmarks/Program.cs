using System.Diagnostics;
using Microsoft.ML.Peft.Benchmarks;
using Microsoft.ML.Peft.Interop;

// dotnet run -c Release --project test/Benchmarks -- NAME|all: one JSON line a figure, each benchmark in a process of its own.
if (Environment.GetEnvironmentVariable("PEFT_MMAP_THRESHOLD") is { Length: > 0 } bytes)
    AllocatorTuning.TrySetMmapThreshold(long.Parse(bytes, System.Globalization.CultureInfo.InvariantCulture));

IBenchmark[] benchmarks =
[
    new StepBenchmark("lora-step-roberta", StepBenchmark.Lora, goal: 0.95, peer: 0.80),
    new StepBenchmark("full-step-roberta", StepBenchmark.Full, goal: 0.75, peer: 0.66),
    new EpochBenchmark(),
    new EmbedBenchmark(batchSize: 32, goal: 1.0),
    new EmbedBenchmark(batchSize: 1, goal: 1 / 1.3),
    new IDataViewBenchmark(),
    new UnmergedBenchmark(),
    new LoadBenchmark(),
    new Nf4GemvBenchmark(),
    new Nf4GemmBenchmark(),
    new Nf4DequantizeBenchmark(),
];

if (args is ["all"])
    return benchmarks.Sum(benchmark => RunAlone(benchmark.Name));
if (args is [var name] && benchmarks.FirstOrDefault(b => b.Name == name) is { } chosen)
{
    chosen.Run();
    return 0;
}
Console.Error.WriteLine($"usage: NAME|all, with NAME one of {string.Join(", ", benchmarks.Select(b => b.Name))}");
return 2;

static int RunAlone(string name)
{
    using Process process = Process.Start(Environment.ProcessPath!, name);
    process.WaitForExit();
    return process.ExitCode;
}
