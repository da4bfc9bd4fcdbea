using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML.Peft.TestSupport;
using Programs.Tests.ChildProcess;

namespace Programs.Tests.Memory;

/// <summary>What a fit takes, each in a process of its own, beside what was estimated.</summary>
[TestClass]
public sealed class MeasuredFitTests
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
        Compare($"{fit}, {model}", Commands.Child.Run(s_environment, "measure-fit", fit, small, large));
    }

    [TestMethod]
    [DataRow("lora", "llama")]
    [DataRow("full", "llama")]
    [DataRow("classification", "bert")]
    public void An_epoch_takes_as_long_as_estimated(string fit, string model)
    {
        LongTests.Require();
        double[] ratios = [.. Commands.Child.Run("time-fit", fit, model == "bert" ? s_bert!.Folder : s_llama!.Folder, "5")
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
}
