using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.VisionLanguage.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>A forward pass of one of ViT-B/32's towers, as a share of the GEMM peak by the FLOPs that the peer's recipe counts.</summary>
/// <param name="name">The benchmark's name.</param>
/// <param name="tower">The tower's shape.</param>
/// <param name="goal">The share to reach.</param>
/// <param name="peer">That of transformers; null where it is not recorded.</param>
internal sealed class ClipTowerBenchmark(string name, ClipTowerShape tower, double goal, double? peer) : IBenchmark
{
    private const int Runs = 9;

    public string Name => name;

    public void Run()
    {
        using var model = new HostedModel(ClipFolder.Random(), new TowersHead(normalizes: true));
        using Batch batch = tower.RandomBatch();
        void Forward()
        {
            using var scope = NewDisposeScope();
            using var noGradient = inference_mode();
            model.Run(context => model.Host.Model.Forward(batch, context));
        }
        Forward();
        // On a shared machine the peak itself moves: each pass is held against the one measured just before it.
        var runs = Enumerable.Range(0, Runs).Select(_ => (Gflops: GemmPeak.Gflops(), Seconds: Figure.Median(1, Forward))).OrderBy(run => run.Gflops * run.Seconds).ToList();
        var (gflops, seconds) = runs[Runs / 2];
        new Figure(name + "/share", tower.Flops / seconds / 1e9 / gflops, "share of GEMM peak", goal, peer).Print(gflops);
        new Figure(name + "/rows", tower.Rows / seconds, "rows a second", null, null).Print(gflops);
    }
}

/// <summary>A tower and what it reads at once.</summary>
/// <param name="Hidden">Width.</param>
/// <param name="Tokens">Positions of a row.</param>
/// <param name="Rows">Rows at once.</param>
/// <param name="Patch">Numbers of a patch; 0 for texts.</param>
internal sealed record ClipTowerShape(int Hidden, int Tokens, int Rows, int Patch)
{
    private const int Layers = 12, Side = 224, Vocabulary = 49408;

    public static ClipTowerShape Pictures(int rows) => new(768, 50, rows, 3 * 32 * 32);

    public static ClipTowerShape Texts(int rows) => new(512, 77, rows, 0);

    /// <summary>A forward pass, each position of each layer counted, though the last layer computes one alone.</summary>
    public double Flops => 2.0 * Rows * ((Tokens * Layers * ((12.0 * Hidden * Hidden) + (2.0 * Tokens * Hidden))) + ((Tokens - 1.0) * Patch * Hidden));

    public Batch RandomBatch()
    {
        using var scope = NewDisposeScope();
        var random = new Random(1);
        if (Patch > 0)
            return new Batch { Examples = [], Pixels = randn(Rows, 3, Side, Side).DetachFromDisposeScope() };
        // Between the tokens that begin and end a text.
        Example[] rows = [.. Enumerable.Range(0, Rows).Select(_ => new Example
        {
            Ids = [Vocabulary - 2, .. Enumerable.Range(0, Tokens - 2).Select(_ => random.Next(1000, Vocabulary - 2)), Vocabulary - 1],
        })];
        return Batch.Collate(rows, CPU, withLabels: false);
    }
}
