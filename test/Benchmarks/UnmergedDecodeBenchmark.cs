using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>SmolLM2 writing under a LoRA adapter beside the weights, against the bare base, which is as fast as a merged one.</summary>
internal sealed class UnmergedDecodeBenchmark : IBenchmark
{
    private const int Rounds = 3;

    public string Name => "unmerged-decode";

    public void Run()
    {
        double gflops = GemmPeak.Gflops();
        using DecoderModel model = Decoding.Load(null);
        Head head = model.CreateLanguageModelHead();
        using ITuner tuner = new LoraOptions().Create();
        tuner.Attach(new TuningTarget(model.Weights, model.DefaultTargets, []), seed: 1);
        foreach (int rows in new[] { 1, 8 })
        {
            // In turns, for the machine's speed drifts.
            var rounds = Enumerable.Range(0, Rounds).Select(_ => (
                Bare: Decoding.TokensPerSecond(model, head, rows), Adapted: Decoding.TokensPerSecond(model, head, rows, ForwardContext.DefaultAdapter))).ToList();
            double bare = rounds.Max(round => round.Bare);
            new Figure($"{Name}/{rows}", bare / rounds.Max(round => round.Adapted), "times the merged model's time", null, bare).Print(gflops);
        }
    }
}
