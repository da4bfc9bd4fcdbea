using Microsoft.ML;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.TestSupport;

namespace RealModels.Tests.EndToEnd;

/// <summary>
/// Tables that SmolLM2 learns to put into words (E2E), by the settings under which PEFT was measured: the first 1,200 rows, batch 8, AdamW without decay,
/// 5 steps of warm-up, linear, clip 1.
/// </summary>
internal sealed class TableToText
{
    public static readonly string Model = Path.Combine(SharedData.Models, "smollm2-135m-instruct");

    private readonly MLContext _ml;

    public TableToText(int seed = 1)
    {
        _ml = TestDevice.NewContext(seed);
        LongTests.Require();
        SharedData.RequireFolder(Model);
        Train = Data(Rows("train").Take(1200));
    }

    public PeftCatalog Peft => _ml.Peft();

    public IDataView Train { get; }

    public static PeftTask Task() => PeftTask.TextGeneration(generation: new GenerationOptions { MaxNewTokens = 80 });

    public static TrainingOptions Training(double rate, int epochs = 1) =>
        new() { LearningRate = rate, WeightDecay = 0, WarmupSteps = 5, BatchSize = 8, MaxEpochs = epochs };

    /// <summary>The mean loss of the completions in every 16th test row, in nats a token.</summary>
    public double Loss(PeftTransformer model) => Losses.Of(model, Data(Rows("test").Where((_, i) => i % 16 == 0)));

    /// <summary>The loss, and how texts for every 14th table of the test part compare with all that people wrote of it.</summary>
    public Quality Measure(PeftTransformer model, string name)
    {
        IGrouping<string, Pair>[] asked = [.. Rows("test").GroupBy(row => row.Prompt).Where((_, i) => i % 14 == 0)];
        IDataView written = model.Transform(Data(asked.Select(group => new Pair { Prompt = group.Key })));
        string[] texts = [.. _ml.Data.CreateEnumerable<Written>(written, reuseRowObject: false).Select(row => row.GeneratedText.Trim())];
        for (int i = 0; i < 3; i++)
            Console.WriteLine($"{asked[i].Key.Trim()}\n  -> {texts[i].ReplaceLineEndings(" / ")}");
        string[][] references = [.. asked.Select(group => group.Select(row => row.Completion).ToArray())];
        var found = new Quality(Loss(model), TextMetrics.Bleu(texts, references).Score, TextMetrics.Rouge(texts, references).RougeL);
        Console.WriteLine(FormattableString.Invariant($"e2e over {name}: completion loss {found.Loss:f4}, BLEU {found.Bleu:f1}, ROUGE-L {found.RougeL:f3}"));
        return found;
    }

    private IDataView Data(IEnumerable<Pair> rows) => _ml.Data.LoadFromEnumerable(rows);

    private static IEnumerable<Pair> Rows(string part) => File.ReadLines(SharedData.Require(Path.Combine(SharedData.Data, "e2e"), part + ".tsv")).Skip(1)
        .Select(line => line.Split('\t')).Select(cells => new Pair { Prompt = cells[0] + "\n", Completion = cells[1] });

    /// <summary>The mean loss of the completions, and how what the model writes compares with what people wrote.</summary>
    public sealed record Quality(double Loss, double Bleu, double RougeL);

    private sealed class Pair
    {
        public string Prompt { get; set; } = "";

        public string Completion { get; set; } = "";
    }

    private sealed class Written
    {
        public string GeneratedText { get; set; } = "";
    }
}
