using System.Diagnostics;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>
/// SmolLM2 in float32: tokens a second at batch 1 and 8, as a share of the machine's read bandwidth (a token reads every
/// weight once); and the speed at which it reads a prompt of 512 tokens, as a share of the GEMM peak.
/// </summary>
internal sealed class DecodeBenchmark : IBenchmark
{
    private const int Prompt = 64, Tokens = 48, LongPrompt = 512;

    public string Name => "decode-smollm2";

    public void Run()
    {
        string folder = Path.Combine(SharedData.Models, "smollm2-135m-instruct");
        double gflops = GemmPeak.Gflops();
        using var model = (DecoderModel)ModelRegistry.Create(HfConfig.Load(folder), SharedCheckpoint.Acquire(folder, CPU), CPU, seed: 1);
        Head head = model.CreateLanguageModelHead();
        long weights = model.Weights.All.Sum(p => p.Value.numel());
        double one = TokensPerSecond(model, head, 1), eight = TokensPerSecond(model, head, 8);
        double bandwidth = Figure.ReadBandwidth();
        new Figure(Name + "/share", one * weights * sizeof(float) / bandwidth, $"share of {bandwidth / 1e9:f1} GB/s", 0.8, null).Print(gflops);
        new Figure(Name + "/tokens", one, "tokens a second", 15.1, 15.1).Print(gflops);
        new Figure(Name + "/batch-8", eight / one, "times batch 1", 4, null).Print(gflops);
        Prefill(model, head, gflops);
    }

    private static double TokensPerSecond(DecoderModel model, Head head, int rows)
    {
        using var session = new DecoderSession(model, head, null);
        using Tensor prompt = randint(5, 40000, [rows, Prompt], ScalarType.Int64);
        session.Read(prompt, null).Dispose();
        long[] next = [.. Enumerable.Repeat(100L, rows)];
        for (int i = 0; i < 4; i++)
            session.Next(next).Dispose();
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < Tokens; i++)
            session.Next(next).Dispose();
        return rows * Tokens / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static void Prefill(DecoderModel model, Head head, double gflops)
    {
        using Tensor prompt = randint(5, 40000, [1, LongPrompt], ScalarType.Int64);
        double seconds = Figure.Median(5, () =>
        {
            using var session = new DecoderSession(model, head, null);
            session.Read(prompt, null).Dispose();
        });
        // The output matrix is read for the last token alone.
        double body = model.Weights.All.Where(p => p.IsMatrix && !p.Name.Contains("embed_tokens")).Sum(p => (double)p.Value.numel());
        double attention = 30.0 * 2 * LongPrompt * model.HiddenSize;
        new Figure("prefill-512", 2 * (body + attention) * LongPrompt / seconds / 1e9 / gflops, "share of GEMM peak", 0.8, null).Print(gflops);
    }
}
