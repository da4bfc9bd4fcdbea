using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>GLM of 110 million weights fills three blanks of eight tokens in a text, beside one blank of as many tokens: the text is read once either way.</summary>
internal sealed class GlmFillBenchmark : IBenchmark
{
    private const int Context = 256, Blanks = 3, Piece = 8, Runs = 7, Start = 5;

    public string Name => "glm-fill";

    public void Run()
    {
        double gflops = GemmPeak.Gflops();
        BlankShape shape = BlankShape.Glm110M;
        using PretrainedModel model = ModelRegistry.Create(HfConfig.Parse(shape.Config, "benchmark"), null, CPU, seed: 1);
        Head head = shape.CreateHead(model);
        using Tensor ids = randint(Start + 1, shape.Vocabulary, [1, Context], ScalarType.Int64, CPU);
        var batch = new Batch { Ids = ids, Examples = [] };
        void Fill(int[] blanks, int tokens)
        {
            using var texts = new BlankTexts(model, head, batch, ForwardContext.Inference);
            BlankFilling.Fill(texts, [blanks], Start, GenerationSettings.Resolve(new GenerationOptions { MaxNewTokens = tokens, EosTokenIds = [] }));
        }
        int[] places = [.. Enumerable.Range(1, Blanks).Select(blank => blank * Context / (Blanks + 1))];
        Fill(places, Piece);
        // Side by side, as the machine's speed moves.
        var runs = Enumerable.Range(0, Runs).Select(_ => (Three: Figure.Median(1, () => Fill(places, Piece)), One: Figure.Median(1, () => Fill(places[..1], Blanks * Piece))))
            .OrderBy(run => run.Three / run.One).ToList();
        var (three, one) = runs[Runs / 2];
        new Figure(Name, three / one, "times a prefill and as many steps", 1.1, null).Print(gflops);
        new Figure(Name + "/time", three * 1000, "ms", null, null).Print(gflops);
    }
}
