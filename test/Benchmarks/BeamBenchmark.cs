using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>Four beams of a model so small that what surrounds it counts, and of one of 135 million weights.</summary>
internal sealed class BeamBenchmark(string name, string model, int tokens) : IBenchmark
{
    private const int Beams = 4, Runs = 3;

    public string Name => name;

    public void Run()
    {
        double gflops = GemmPeak.Gflops();
        using HostedModel decoder = HostedModel.Decoder(Path.Combine(SharedData.Models, model));
        GenerationSettings settings = GenerationSettings.Resolve(new GenerationOptions { MaxNewTokens = tokens, NumBeams = Beams, EosTokenIds = [] });
        void Write()
        {
            using IDecodingSession session = decoder.Open();
            TextGenerator.Generate(session, [[1, 403, 407, 261, 378]], settings);
        }
        Write();
        new Figure(Name, Figure.Median(Runs, Write) / tokens * 1e3, $"ms a token of {tokens}", null, null).Print(gflops);
    }
}
