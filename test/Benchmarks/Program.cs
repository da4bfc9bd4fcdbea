using System.Diagnostics;
using Microsoft.ML.Peft.Benchmarks;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Tuners.Full;

// dotnet run -c Release --project test/Benchmarks -- NAME|all: one JSON line a figure, each benchmark in a process of its own.
// Some of them make tensors before the library's door is opened.
AllocatorSwitch.Apply();

IBenchmark[] benchmarks =
[
    new StepBenchmark("lora-step-roberta", StepShape.Roberta, new LoraOptions(), goal: 0.95, peer: 0.80),
    new StepBenchmark("full-step-roberta", StepShape.Roberta, new FullOptions(), goal: 0.75, peer: 0.66),
    new StepBenchmark("glm-step", BlankShape.Glm110M, new FullOptions(), goal: 0.75, peer: null),
    new StepBenchmark("lora-step-gpt2", StepShape.Gpt2, new LoraOptions(), goal: 0.80, peer: 0.58),
    new StepBenchmark("lora-step-llama110m", StepShape.Llama110M, new LoraOptions { TargetModules = [LoraOptions.AllLinear] }, goal: null, peer: null),
    new StepBenchmark(
        "lora-step-llama110m-checkpointing", StepShape.Llama110M, new LoraOptions { TargetModules = [LoraOptions.AllLinear] }, goal: null, peer: null, checkpointing: true),
    new VirtualTokensStepBenchmark("prefix-step-gpt2", new PrefixOptions(), lora: StepShape.Gpt2),
    new VirtualTokensStepBenchmark("prompt-step-gpt2", new PromptOptions(), lora: StepShape.Gpt2 with { Length = 148 }),
    new StepBenchmark("t5-step", EncoderDecoderShape.T5Small, new LoraOptions(), goal: 0.75, peer: null),
    new OptimizerBenchmark(),
    new EpochBenchmark(),
    new EmbedBenchmark(batchSize: 32, goal: 1.0),
    new EmbedBenchmark(batchSize: 1, goal: 1 / 1.3),
    new IDataViewBenchmark(),
    new ClipPreprocessBenchmark(),
    new UnmergedBenchmark(),
    new ByRowBenchmark(),
    new SwapBenchmark(),
    new ThreadsBenchmark(),
    new LoadBenchmark(),
    new DecodeBenchmark(),
    new Decode4BitBenchmark(),
    new Decode4Bit1BBenchmark(),
    new UnmergedDecodeBenchmark(),
    new PrefixDecodeBenchmark(),
    new T5DecodeBenchmark(),
    new BeamBenchmark("beam-4-stories", "stories260k", tokens: 400),
    new BeamBenchmark("beam-4-smollm2", "smollm2-135m-instruct", tokens: 120),
    new GlmFillBenchmark(),
    new ServeBenchmark(),
    new MergeBenchmark("merge-7b", hidden: 4096, intermediate: 11008, layers: 32),
    new MergeBenchmark("merge-300m", hidden: 1024, intermediate: 2816, layers: 18),
    new MergeBenchmark("merge-4bit-7b", hidden: 4096, intermediate: 11008, layers: 32, new QuantizationOptions { DoubleQuantization = true }),
    new MergeBenchmark("merge-4bit-300m", hidden: 1024, intermediate: 2816, layers: 18, new QuantizationOptions { DoubleQuantization = true }),
    new Nf4GemvBenchmark(),
    new Nf4GemmBenchmark(),
    new Nf4DequantizeBenchmark(),
    new Nf4GemmInt8Benchmark(),
    new Nf4GemvAvx2Benchmark(),
    new QloraStepBenchmark("qlora-step-llama110m", rounded: false, goal: 1.10),
    new QloraStepBenchmark("qlora-step-int8", rounded: true, goal: 0.85),
    new LargeQloraBenchmark("qlora-7b", StepShape.Llama7B, memory: 6, fourRows: true),
    new LargeQloraBenchmark("qlora-13b", StepShape.Llama13B, memory: 10, fourRows: false),
    new LargeQloraBenchmark("qlora-33b", StepShape.Llama33B, memory: 22, fourRows: false),
    new ClipTowerBenchmark("clip-image-1", ClipTowerShape.Pictures(rows: 1), goal: 0.65, peer: 0.47),
    new ClipTowerBenchmark("clip-image-16", ClipTowerShape.Pictures(rows: 16), goal: 0.85, peer: 0.74),
    new ClipTowerBenchmark("clip-text", ClipTowerShape.Texts(rows: 32), goal: 0.85, peer: null),
    new ClipIDataViewBenchmark(),
    new ClipPrepareBenchmark(),
    new ContrastiveBenchmark(),
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
