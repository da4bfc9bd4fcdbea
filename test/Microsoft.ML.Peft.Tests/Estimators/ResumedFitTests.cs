using System.Globalization;
using Microsoft.ML.Peft.Tests.ChildProcess;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Training;

namespace Microsoft.ML.Peft.Tests.Estimators;

/// <summary>A fit that was cancelled goes on where all is as it was, and says what is not.</summary>
[TestClass]
public sealed class ResumedFitTests : IDisposable
{
    private readonly TinyBert _bert = new(), _other = new(seed: 2);
    private readonly string _folder = Directory.CreateTempSubdirectory("resumed-").FullName;

    public static IEnumerable<(string Named, Action<LoraFineTune.Options> Change)> Learnt =>
    [
        ("LoraOptions.Alpha was 4, is 400", o => o.Lora.Alpha = 400), ("LoraOptions.Dropout", o => o.Lora.Dropout = 0.5),
        ("LoraOptions.UseRankStabilizedScaling", o => o.Lora.UseRankStabilizedScaling = true), ("LoraOptions.Start", o => o.Lora.Start = LoraStart.Gaussian),
        ("QuantizationOptions.Format", o => o.Quantization = new()), ("TrainingOptions.LearningRate", o => o.Training.LearningRate = 0.5),
        ("MaskedLanguageModelTask.MaskProbability was 0.15, is 0.3", o => o.Task = PeftTask.MaskedLanguageModelling(maskProbability: 0.3)),
        ("other training data", o => o.MaxLength = 4),
    ];

    public static IEnumerable<(string Named, Action<LoraFineTune.Options> Change)> NotLearnt =>
    [
        ("checkpointing", o => o.Training.GradientCheckpointing = true), ("paging", o => o.Training.Optimizer = TrainingOptimizer.PagedAdamW32Bit),
        ("interval", o => o.Training.CheckpointEverySteps = 1), ("scoring", o => (o.ScoringBatchSize, o.EmbedBase) = (5, false)),
        ("column", o => o.Task = PeftTask.MaskedLanguageModelling(outputColumnName: "Filled")),
    ];

    [TestMethod]
    [DynamicData(nameof(Learnt))]
    public void What_changes_what_is_learnt_is_refused_by_name(string named, Action<LoraFineTune.Options> change)
    {
        Cancel(TestDevice.NewContext(seed: 1));
        LoraFineTune.Options options = Options();
        change(options);
        var e = Assert.ThrowsExactly<InvalidDataException>(() => Fit(TestDevice.NewContext(seed: 1), options));
        StringAssert.Contains(e.Message, named);
        StringAssert.Contains(e.Message, Path.Combine(_folder, TrainingCheckpoint.FileName));
    }

    [TestMethod]
    public void Another_base_of_the_same_shapes_is_refused()
    {
        Cancel(TestDevice.NewContext(seed: 1));
        LoraFineTune.Options options = Options();
        options.BaseModel = _other.Folder;
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Fit(TestDevice.NewContext(seed: 1), options)).Message, "other base weights");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Fit(TestDevice.NewContext(seed: 2), Options())).Message, "seed was 1, is 2");
    }

    [TestMethod]
    [DynamicData(nameof(NotLearnt))]
    public void What_changes_nothing_resumes(string named, Action<LoraFineTune.Options> change)
    {
        Cancel(TestDevice.NewContext(seed: 1));
        LoraFineTune.Options options = Options();
        change(options);
        Assert.AreEqual(4, Fit(TestDevice.NewContext(seed: 1), options), named);
    }

    [TestMethod]
    public void A_run_without_a_seed_goes_on_with_the_one_it_drew_in_a_new_process_too()
    {
        Cancel(TestDevice.NewContext());
        string copy = _folder + ".copy";
        Directory.CreateDirectory(copy);
        File.Copy(Path.Combine(_folder, TrainingCheckpoint.FileName), Path.Combine(copy, TrainingCheckpoint.FileName));
        try
        {
            double[] losses = Losses(TestDevice.NewContext(), Options());
            double[] inAProcess = [.. Commands.Child.Run("resume-unseeded", _bert.Folder, copy).Select(line => double.Parse(line, CultureInfo.InvariantCulture))];
            Assert.HasCount(4, losses);
            Assert.HasCount(4, inAProcess);
            // The child may run on another number of threads.
            for (int step = 0; step < losses.Length; step++)
                Assert.AreEqual(losses[step], inAProcess[step], 1e-5, $"step {step}");
        }
        finally
        {
            Directory.Delete(copy, recursive: true);
        }
    }

    public void Dispose()
    {
        _bert.Dispose();
        _other.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>The losses of the steps that a fit took.</summary>
    internal static double[] Losses(MLContext context, LoraFineTune.Options options)
    {
        var losses = new List<double>();
        options.Training.Progress = new Training.TinyRun.Callback(progress => losses.Add(progress.Loss));
        using PeftTransformer model = context.Peft().Lora(options).Fit(Review.Load(context, 32));
        return [.. losses];
    }

    /// <summary>A run of six steps.</summary>
    internal static LoraFineTune.Options Options(string model, string folder) => new()
    {
        BaseModel = model,
        Task = PeftTask.MaskedLanguageModelling(),
        Lora = new LoraOptions { Alpha = 4 },
        Training = new TrainingOptions { MaxEpochs = 3, BatchSize = 16, LearningRate = 1e-2, CheckpointFolder = folder },
    };

    private LoraFineTune.Options Options() => Options(_bert.Folder, _folder);

    private static int Fit(MLContext context, LoraFineTune.Options options) => Losses(context, options).Length;

    /// <summary>Two steps of the six.</summary>
    private void Cancel(MLContext context)
    {
        using var source = new CancellationTokenSource();
        LoraFineTune.Options options = Options();
        options.Training.CancellationToken = source.Token;
        options.Training.Progress = new Training.TinyRun.Callback(progress =>
        {
            if (progress.Step == 2)
                source.Cancel();
        });
        Assert.ThrowsExactly<OperationCanceledException>(() => context.Peft().Lora(options).Fit(Review.Load(context, 32)));
    }
}
