using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>Four beams of a model so small that what surrounds it counts, and of one of 135 million weights.</summary>
internal sealed class BeamBenchmark(string name, string model, int tokens) : IBenchmark
{
    private const int Beams = 4, Runs = 3;

    public string Name => name;

    public void Run()
    {
        double gflops = GemmPeak.Gflops();
        using var decoder = (DecoderModel)BaseModels.Open(Path.Combine(SharedData.Models, model), CPU, seed: 1);
        Head head = decoder.CreateLanguageModelHead();
        GenerationSettings settings = GenerationSettings.Resolve(new GenerationOptions { MaxNewTokens = tokens, NumBeams = Beams, EosTokenIds = [] });
        void Write()
        {
            using var session = new DecoderSession(decoder, head, null);
            TextGenerator.Generate(session, [[1, 403, 407, 261, 378]], settings);
        }
        Write();
        new Figure(Name, Figure.Median(Runs, Write) / tokens * 1e3, $"ms a token of {tokens}", null, null).Print(gflops);
    }
}
