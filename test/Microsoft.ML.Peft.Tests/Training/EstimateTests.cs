using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Training;

[TestClass]
public sealed class EstimateTests
{
    private static TinyBert? s_bert;

    [ClassInitialize]
    public static void MakeModel(TestContext _) => s_bert = new TinyBert();

    [ClassCleanup]
    public static void RemoveModel() => s_bert?.Dispose();

    [TestMethod]
    public void The_parts_are_those_of_the_options()
    {
        var context = TestDevice.NewContext(seed: 1);
        IDataView data = Review.Load(context);
        LoraFineTune.Options options = new() { BaseModel = s_bert!.Folder, Task = PeftTask.TextClassification() };
        TrainingEstimate plain = context.Peft().Lora(options).Estimate(data);
        options.ValidationSet = data;
        options.Quantization = new();
        options.Training.Optimizer = TrainingOptimizer.PagedAdamW8Bit;
        options.Training.MaxEpochs = 7;
        TrainingEstimate changed = context.Peft().Lora(options).Estimate(data);

        Assert.AreEqual(new FileInfo(Path.Combine(s_bert.Folder, "model.safetensors")).Length, plain.MappedBytes);
        Assert.AreEqual(0, plain.WeightBytes);
        Assert.IsGreaterThan(0, changed.WeightBytes);
        // Rank 8 on query and value of two layers of width 16, and a head of two classes: too few values for 8 bits.
        Assert.AreEqual(((4 * 2 * 8 * 16) + (2 * 16) + 2) * sizeof(float), plain.GradientBytes);
        Assert.AreEqual(plain.GradientBytes, plain.TrainableBytes);
        Assert.AreEqual(2 * plain.TrainableBytes, changed.TrainableBytes);
        Assert.AreEqual(2 * plain.GradientBytes, plain.OptimizerBytes);
        Assert.AreEqual(plain.OptimizerBytes, changed.OptimizerBytes);
        Assert.IsGreaterThan(0, plain.ActivationBytes);
        // However much room the process's heap has: all but the activations is held at the largest step.
        Assert.IsGreaterThan(plain.MappedBytes + plain.GradientBytes + plain.OptimizerBytes, plain.PeakMemoryBytes);
        Assert.IsGreaterThan(TimeSpan.Zero, plain.TimePerEpoch);
    }

    [TestMethod]
    public void A_fit_logs_it_once_before_the_first_step()
    {
        var context = TestDevice.NewContext(seed: 1);
        var lines = new List<string>();
        context.Log += (_, e) => lines.Add(e.Message);
        context.Peft().Lora(s_bert!.Folder, PeftTask.TextClassification(), maxEpochs: 1).Fit(Review.Load(context)).Dispose();
        int at = lines.FindIndex(line => line.Contains("Estimate: ", StringComparison.Ordinal));
        Assert.AreEqual(1, lines.Count(line => line.Contains("Estimate: ", StringComparison.Ordinal)));
        Assert.IsLessThan(lines.FindIndex(line => line.Contains("step 1 of", StringComparison.Ordinal)), at);
    }
}
