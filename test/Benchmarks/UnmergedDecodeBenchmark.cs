using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>SmolLM2 writing under a LoRA adapter beside the weights, against the bare base, which is as fast as a merged one.</summary>
internal sealed class UnmergedDecodeBenchmark : IBenchmark
{
    private const int Rounds = 3;
    private const string Adapter = "lora";

    public string Name => "unmerged-decode";

    public void Run()
    {
        double gflops = GemmPeak.Gflops();
        using HostedModel model = HostedModel.Decoder(Decoding.Folder);
        model.Attach(Adapter, new LoraOptions());
        foreach (int rows in new[] { 1, 8 })
        {
            // In turns, for the machine's speed drifts.
            var rounds = Enumerable.Range(0, Rounds).Select(_ => (
                Bare: Decoding.TokensPerSecond(model.Open(), rows), Adapted: Decoding.TokensPerSecond(model.Open(Adapter), rows))).ToList();
            double bare = rounds.Max(round => round.Bare);
            new Figure($"{Name}/{rows}", bare / rounds.Max(round => round.Adapted), "times the merged model's time", null, bare).Print(gflops);
        }
    }
}
