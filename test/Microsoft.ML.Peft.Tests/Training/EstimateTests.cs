using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML.Peft.Tests.ChildProcess;
using Microsoft.ML.Peft.Tests.EndToEnd;
using Microsoft.ML.Peft.Tests.Glm;
using Microsoft.ML.Peft.Tests.Packaging;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Training;

[TestClass]
public sealed class EstimateTests
{
    // The models are small: below a megabyte, where users set it, some of their tensors would stay with the allocator.
    // On one thread: what each further one keeps for itself is estimated too high (docs/memory.md).
    private static readonly (string, string?)[] s_environment = [("PEFT_MMAP_THRESHOLD", "65536"), ("OMP_NUM_THREADS", "1")];

    private static TinyDecoder? s_llama, s_smallLlama, s_gpt2, s_smallGpt2;
    private static TinyBert? s_bert, s_smallBert;
    private static TinyT5? s_t5, s_smallT5;
    private static TinyGlm? s_glm, s_smallGlm;

    [ClassInitialize]
    public static void MakeModels(TestContext _)
    {
        (s_smallLlama, s_llama) = (new TinyDecoder("llama"), new TinyDecoder("llama", change: EstimateCases.Grow));
        (s_smallGpt2, s_gpt2) = (new TinyDecoder("gpt2"), new TinyDecoder("gpt2", change: EstimateCases.Grow));
        (s_smallT5, s_t5) = (new TinyT5(), new TinyT5(EstimateCases.Grow));
        (s_smallGlm, s_glm) = (new TinyGlm(), new TinyGlm(change: EstimateCases.Grow));
        (s_smallBert, s_bert) = (new TinyBert(), new TinyBert(change: EstimateCases.Grow));
    }

    [ClassCleanup]
    public static void RemoveModels()
    {
        foreach (IDisposable? model in new IDisposable?[] { s_llama, s_smallLlama, s_gpt2, s_smallGpt2, s_bert, s_smallBert, s_t5, s_smallT5, s_glm, s_smallGlm })
            model?.Dispose();
    }

    [TestMethod]
    [DataRow("full", "llama")]
    [DataRow("lora", "llama")]
    [DataRow("checkpointing", "llama")]
    [DataRow("qlora", "llama")]
    [DataRow("lora", "gpt2")]
    [DataRow("text to text", "t5")]
    [DataRow("classification", "bert")]
    [DataRow("blanks", "glm")]
    public void A_process_grows_as_estimated(string fit, string model)
    {
        if (!OperatingSystem.IsLinux())
            Assert.Inconclusive("Reads /proc.");
        (string small, string large) = model switch
        {
            "gpt2" => (s_smallGpt2!.Folder, s_gpt2!.Folder),
            "t5" => (s_smallT5!.Folder, s_t5!.Folder),
            "glm" => (s_smallGlm!.Folder, s_glm!.Folder),
            "bert" => (s_smallBert!.Folder, s_bert!.Folder),
            _ => (s_smallLlama!.Folder, s_llama!.Folder),
        };
        Compare($"{fit}, {model}", Child.Run(s_environment, "measure-fit", fit, small, large));
    }

    [TestMethod]
    [DataRow("lora", "llama")]
    [DataRow("full", "llama")]
    [DataRow("classification", "bert")]
    public void An_epoch_takes_as_long_as_estimated(string fit, string model)
    {
        LongTests.Require();
        double[] ratios = [.. Child.Run("time-fit", fit, model == "bert" ? s_bert!.Folder : s_llama!.Folder, "5")
            .Select(line => Array.ConvertAll(line.Split(' '), number => double.Parse(number, CultureInfo.InvariantCulture)))
            .Select(seconds => seconds[0] / seconds[1]).Order()];
        Console.WriteLine($"{fit}, {model}: estimated by measured {string.Join(", ", ratios.Select(ratio => $"{ratio:f2}"))}");
        Assert.AreEqual(1, ratios[2], 0.25);
    }

    private static void Compare(string what, string[] lines)
    {
        double measured = double.Parse(lines[0], CultureInfo.InvariantCulture);
        double estimated = 1e6 * double.Parse(Regex.Match(lines[1], @"Estimate: (\d+) MB").Groups[1].Value, CultureInfo.InvariantCulture);
        Console.WriteLine($"{what}: {measured / 1e6:f0} MB, estimated {estimated / 1e6:f0} MB. {lines[1]}");
        Assert.AreEqual(measured, estimated, 0.15 * measured, lines[1]);
        Assert.IsLessThanOrEqualTo(estimated / 4, double.Parse(lines[2], CultureInfo.InvariantCulture));
    }

    [TestMethod]
    public void The_parts_are_those_of_the_options()
    {
        var context = TestDevice.NewContext(seed: 1);
        IDataView data = Review.Load(context);
        LoraFineTune.Options options = new() { BaseModel = s_smallBert!.Folder, Task = PeftTask.TextClassification() };
        TrainingEstimate plain = context.Peft().Lora(options).Estimate(data);
        options.ValidationSet = data;
        options.Quantization = new();
        options.Training.Optimizer = TrainingOptimizer.PagedAdamW8Bit;
        options.Training.MaxEpochs = 7;
        TrainingEstimate changed = context.Peft().Lora(options).Estimate(data);

        Assert.AreEqual(new FileInfo(Path.Combine(s_smallBert.Folder, "model.safetensors")).Length, plain.MappedBytes);
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
        context.Peft().Lora(s_smallBert!.Folder, PeftTask.TextClassification(), maxEpochs: 1).Fit(Review.Load(context)).Dispose();
        int at = lines.FindIndex(line => line.Contains("Estimate: ", StringComparison.Ordinal));
        Assert.AreEqual(1, lines.Count(line => line.Contains("Estimate: ", StringComparison.Ordinal)));
        Assert.IsLessThan(lines.FindIndex(line => line.Contains("step 1 of", StringComparison.Ordinal)), at);
    }
}
