using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>SmolLM2 writing behind a prefix, against the bare base behind a prompt that is longer by as many tokens.</summary>
internal sealed class PrefixDecodeBenchmark : IBenchmark
{
    private const int Rounds = 5, VirtualTokens = 20;
    private const string Adapter = "prefix";

    public string Name => "prefix-decode";

    public void Run()
    {
        double gflops = GemmPeak.Gflops();
        using HostedModel model = HostedModel.Decoder(Decoding.Folder);
        model.Attach(Adapter, new PrefixOptions { VirtualTokens = VirtualTokens });
        // In turns, for the machine's speed drifts.
        var rounds = Enumerable.Range(0, Rounds).Select(_ => (
            Bare: Decoding.TokensPerSecond(model.Open(), rows: 1, Decoding.Prompt + VirtualTokens),
            Prefixed: Decoding.TokensPerSecond(model.Open(Adapter), rows: 1))).ToList();
        double bare = rounds.Max(round => round.Bare);
        new Figure(Name, bare / rounds.Max(round => round.Prefixed), "times the time behind as many tokens of a prompt", 1.02, null).Print(gflops);
        new Figure(Name + "/tokens", bare, "tokens a second of the bare base", null, null).Print(gflops);
    }
}
