using System.Diagnostics;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.EndToEnd;

/// <summary>
/// SmolLM2 learns to put tables into words (E2E), by the settings under which PEFT was measured: the first 1,200 rows, batch 8,
/// LoRA of rank 8 and alpha 16 on q_proj and v_proj, AdamW 5e-4 without decay, 5 steps of warm-up, linear, clip 1.
/// </summary>
[TestClass]
public sealed class TableToTextTests
{
    private const double PeftBefore = 2.7367, PeftAfter = 1.6557;

    private static readonly string Model = Path.Combine(SharedData.Models, "smollm2-135m-instruct");

    private readonly MLContext _ml = new(seed: 1);

    [TestMethod, TestCategory("EndToEnd")]
    public void ItReachesPeft()
    {
        LongTests.Require();
        SharedData.RequireFolder(Model);
        Pair[] rows = [.. Rows("test")];
        IDataView test = Data(rows.Where((_, i) => i % 16 == 0));
        Group[] asked = [.. rows.GroupBy(row => row.Prompt).Where((_, i) => i % 14 == 0).Select(g => new Group(g.Key, [.. g.Select(row => row.Completion)]))];

        using PeftTransformer plain = _ml.Peft().Generate(new TextCompleter.Options { BaseModel = Model, Task = Task() }).Fit(test);
        var (before, first) = (Losses.Of(plain, test), Write(plain, asked));
        var clock = Stopwatch.StartNew();
        using PeftTransformer tuned = _ml.Peft().Lora(Options()).Fit(Data(Rows("train").Take(1200)));
        clock.Stop();
        var (after, second) = (Losses.Of(tuned, test), Write(tuned, asked));

        Report("base", before, PeftBefore, first);
        Report("LoRA", after, PeftAfter, second);
        Console.WriteLine(FormattableString.Invariant($"training: {clock.Elapsed.TotalSeconds:f0} s"));
        Assert.AreEqual(PeftBefore, before, 5e-4);
        Assert.IsLessThanOrEqualTo(PeftAfter, Math.Round(after, 4));
        Assert.IsGreaterThan(first.Bleu, second.Bleu);
        Assert.IsGreaterThan(first.RougeL, second.RougeL);
    }

    private (double Bleu, double RougeL) Write(PeftTransformer model, Group[] asked)
    {
        IDataView written = model.Transform(Data(asked.Select(group => new Pair { Prompt = group.Prompt })));
        string[] texts = [.. _ml.Data.CreateEnumerable<Written>(written, reuseRowObject: false).Select(row => row.GeneratedText.Trim())];
        for (int i = 0; i < 3; i++)
            Console.WriteLine($"{asked[i].Prompt.Trim()}\n  -> {texts[i].ReplaceLineEndings(" / ")}");
        string[][] references = [.. asked.Select(group => group.References)];
        return (TextMetrics.Bleu(texts, references).Score, TextMetrics.Rouge(texts, references).RougeL);
    }

    private static void Report(string name, double loss, double peft, (double Bleu, double RougeL) scores) => Console.WriteLine(
        FormattableString.Invariant($"e2e, {name}: completion loss {loss:f4} (PEFT {peft:f4}), BLEU {scores.Bleu:f1}, ROUGE-L {scores.RougeL:f3}"));

    private static PeftTask Task() => PeftTask.TextGeneration(generation: new GenerationOptions { MaxNewTokens = 80 });

    private static LoraFineTune.Options Options() => new()
    {
        BaseModel = Model,
        Task = Task(),
        Lora = new LoraOptions { Rank = 8, Alpha = 16, TargetModules = ["q_proj", "v_proj"] },
        Training = new TrainingOptions { LearningRate = 5e-4, WeightDecay = 0, WarmupSteps = 5, BatchSize = 8, MaxEpochs = 1 },
    };

    private IDataView Data(IEnumerable<Pair> rows) => _ml.Data.LoadFromEnumerable(rows);

    private static IEnumerable<Pair> Rows(string part) => File.ReadLines(Path.Combine(SharedData.Data, "e2e", part + ".tsv")).Skip(1)
        .Select(line => line.Split('\t')).Select(cells => new Pair { Prompt = cells[0] + "\n", Completion = cells[1] });

    private sealed record Group(string Prompt, string[] References);

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
