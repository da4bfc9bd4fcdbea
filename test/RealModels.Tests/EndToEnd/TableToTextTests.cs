using System.Diagnostics;
using Microsoft.ML;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.TestSupport;

namespace RealModels.Tests.EndToEnd;

/// <summary>SmolLM2 learns to put tables into words by LoRA of rank 8 and alpha 16 on q_proj and v_proj at 5e-4, over floats and over 4 bits with double quantization.</summary>
[TestClass]
public sealed class TableToTextTests
{
    private const double PeftBefore = 2.7367, PeftAfter = 1.6557, PeftBeforeNf4 = 2.9858, PeftAfterNf4 = 1.6915;

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

    private static void Compare(double peftBefore, TableToText.Quality before, double peftAfter, TableToText.Quality after)
    {
        Console.WriteLine(FormattableString.Invariant($"PEFT: completion loss {peftBefore:f4} before, {peftAfter:f4} after"));
        Assert.AreEqual(peftBefore, before.Loss, 5e-4);
        Assert.IsLessThanOrEqualTo(peftAfter, Math.Round(after.Loss, 4));
    }

    private static double LossAfter(string name, QuantizationOptions quantization, LoraOptions lora, int epochs)
    {
        var tables = new TableToText();
        using PeftTransformer tuned = tables.Peft.Lora(Options(quantization, lora, epochs)).Fit(tables.Train);
        double loss = tables.Loss(tuned);
        Console.WriteLine(FormattableString.Invariant($"e2e over {name}: completion loss {loss:f4}"));
        return loss;
    }

    private static (TableToText.Quality Before, TableToText.Quality After) Learn(string name, QuantizationOptions? quantization)
    {
        var tables = new TableToText();
        using PeftTransformer plain = tables.Peft.Generate(
            new TextCompleter.Options { BaseModel = TableToText.Model, Task = TableToText.Task(), Quantization = quantization }).Fit(tables.Train);
        TableToText.Quality before = tables.Measure(plain, $"{name}, before");
        var clock = Stopwatch.StartNew();
        using PeftTransformer tuned = tables.Peft.Lora(Options(quantization, Lora(), epochs: 1)).Fit(tables.Train);
        return (before, tables.Measure(tuned, FormattableString.Invariant($"{name}, after {clock.Elapsed.TotalSeconds:f0} s of training")));
    }

    private static LoraOptions Lora() => new() { Rank = 8, Alpha = 16, TargetModules = ["q_proj", "v_proj"] };

    private static LoraFineTune.Options Options(QuantizationOptions? quantization, LoraOptions lora, int epochs) => new()
    {
        BaseModel = TableToText.Model,
        Task = TableToText.Task(),
        Quantization = quantization,
        Lora = lora,
        Training = TableToText.Training(5e-4, epochs),
    };
}
