using System.Diagnostics;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.EndToEnd;

/// <summary>
/// SmolLM2 learns to put tables into words (E2E), by the settings under which PEFT was measured: the first 1,200 rows, batch 8,
/// LoRA of rank 8 and alpha 16 on q_proj and v_proj, AdamW 5e-4 without decay, 5 steps of warm-up, linear, clip 1; over floats
/// and over 4 bits with double quantization.
/// </summary>
[TestClass]
public sealed class TableToTextTests
{
    private const double PeftBefore = 2.7367, PeftAfter = 1.6557, PeftBeforeNf4 = 2.9858, PeftAfterNf4 = 1.6915;

    private static readonly string Model = Path.Combine(SharedData.Models, "smollm2-135m-instruct");

    private readonly MLContext _ml = new(seed: 1);

    [TestMethod, TestCategory("EndToEnd")]
    public void ItReachesPeft()
    {
        var (before, after) = Learn("floats", null);
        Compare(PeftBefore, before, PeftAfter, after);
        Assert.IsGreaterThan(before.Bleu, after.Bleu);
        Assert.IsGreaterThan(before.RougeL, after.RougeL);
    }

    [TestMethod, TestCategory("EndToEnd")]
    public void OverFourBitsItReachesPeftAndNf4IsBetterThanFp4()
    {
        var (before, after) = Learn("NF4", Nested(QuantizationFormat.Nf4));
        var (fp4Before, fp4After) = Learn("FP4", Nested(QuantizationFormat.Fp4));
        Compare(PeftBeforeNf4, before, PeftAfterNf4, after);
        Assert.IsGreaterThan(before.Loss, fp4Before.Loss);
        Assert.IsGreaterThan(after.Loss, fp4After.Loss);
    }

    /// <summary>Ways to close what 4 bits cost, and what rounded inputs cost: one seed each, the loss alone.</summary>
    [TestMethod, TestCategory("EndToEnd")]
    public void MoreStepsCloseTheRestAndRoundedInputsCostLittle()
    {
        var lora = Lora();
        double once = LossAfter("NF4", Nested(QuantizationFormat.Nf4), lora, epochs: 1);
        double rounded = LossAfter("NF4, inputs in 8 bits", Nested(QuantizationFormat.Nf4, rounded: true), lora, epochs: 1);
        double twice = LossAfter("NF4, two epochs", Nested(QuantizationFormat.Nf4), lora, epochs: 2);
        lora.Start = LoraStart.Loftq;
        double loftq = LossAfter("NF4, LoftQ", Nested(QuantizationFormat.Nf4), lora, epochs: 1);
        Assert.IsLessThan(once, twice);
        Assert.AreEqual(once, rounded, 0.02);
        Assert.IsLessThanOrEqualTo(PeftAfterNf4, loftq);
    }

    private static QuantizationOptions Nested(QuantizationFormat format, bool rounded = false) =>
        new() { Format = format, DoubleQuantization = true, QuantizeActivations = rounded };

    private static void Compare(double peftBefore, Quality before, double peftAfter, Quality after)
    {
        Console.WriteLine(FormattableString.Invariant($"PEFT: completion loss {peftBefore:f4} before, {peftAfter:f4} after"));
        Assert.AreEqual(peftBefore, before.Loss, 5e-4);
        Assert.IsLessThanOrEqualTo(peftAfter, Math.Round(after.Loss, 4));
    }

    private double LossAfter(string name, QuantizationOptions quantization, LoraOptions lora, int epochs)
    {
        LongTests.Require();
        SharedData.RequireFolder(Model);
        using PeftTransformer tuned = _ml.Peft().Lora(Options(quantization, lora, epochs)).Fit(Data(Rows("train").Take(1200)));
        double loss = Losses.Of(tuned, Data(Rows("test").Where((_, i) => i % 16 == 0)));
        Console.WriteLine(FormattableString.Invariant($"e2e over {name}: completion loss {loss:f4}"));
        return loss;
    }

    private (Quality Before, Quality After) Learn(string name, QuantizationOptions? quantization)
    {
        LongTests.Require();
        SharedData.RequireFolder(Model);
        IDataView train = Data(Rows("train").Take(1200));
        using PeftTransformer plain = _ml.Peft().Generate(new TextCompleter.Options { BaseModel = Model, Task = Task(), Quantization = quantization }).Fit(train);
        Quality before = Measure(plain, $"{name}, before");
        var clock = Stopwatch.StartNew();
        using PeftTransformer tuned = _ml.Peft().Lora(Options(quantization, Lora(), epochs: 1)).Fit(train);
        return (before, Measure(tuned, FormattableString.Invariant($"{name}, after {clock.Elapsed.TotalSeconds:f0} s of training")));
    }

    private Quality Measure(PeftTransformer model, string name)
    {
        Pair[] rows = [.. Rows("test")];
        IGrouping<string, Pair>[] asked = [.. rows.GroupBy(row => row.Prompt).Where((_, i) => i % 14 == 0)];
        double loss = Losses.Of(model, Data(rows.Where((_, i) => i % 16 == 0)));
        IDataView written = model.Transform(Data(asked.Select(group => new Pair { Prompt = group.Key })));
        string[] texts = [.. _ml.Data.CreateEnumerable<Written>(written, reuseRowObject: false).Select(row => row.GeneratedText.Trim())];
        for (int i = 0; i < 3; i++)
            Console.WriteLine($"{asked[i].Key.Trim()}\n  -> {texts[i].ReplaceLineEndings(" / ")}");
        string[][] references = [.. asked.Select(group => group.Select(row => row.Completion).ToArray())];
        var found = new Quality(loss, TextMetrics.Bleu(texts, references).Score, TextMetrics.Rouge(texts, references).RougeL);
        Console.WriteLine(FormattableString.Invariant($"e2e over {name}: completion loss {loss:f4}, BLEU {found.Bleu:f1}, ROUGE-L {found.RougeL:f3}"));
        return found;
    }

    private static PeftTask Task() => PeftTask.TextGeneration(generation: new GenerationOptions { MaxNewTokens = 80 });

    private static LoraOptions Lora() => new() { Rank = 8, Alpha = 16, TargetModules = ["q_proj", "v_proj"] };

    private static LoraFineTune.Options Options(QuantizationOptions? quantization, LoraOptions lora, int epochs) => new()
    {
        BaseModel = Model,
        Task = Task(),
        Quantization = quantization,
        Lora = lora,
        Training = new TrainingOptions { LearningRate = 5e-4, WeightDecay = 0, WarmupSteps = 5, BatchSize = 8, MaxEpochs = epochs },
    };

    private IDataView Data(IEnumerable<Pair> rows) => _ml.Data.LoadFromEnumerable(rows);

    private static IEnumerable<Pair> Rows(string part) => File.ReadLines(SharedData.Require(Path.Combine(SharedData.Data, "e2e"), part + ".tsv")).Skip(1)
        .Select(line => line.Split('\t')).Select(cells => new Pair { Prompt = cells[0] + "\n", Completion = cells[1] });

    /// <summary>The mean loss of the completions, and how what the model writes compares with what people wrote.</summary>
    private sealed record Quality(double Loss, double Bleu, double RougeL);

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
