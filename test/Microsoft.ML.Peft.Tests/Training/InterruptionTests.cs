using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Training;

namespace Microsoft.ML.Peft.Tests.Training;

[TestClass]
public sealed class InterruptionTests
{
    private readonly string _folder = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
    private readonly Example[] _validation = TinyTask.Rows(30, seed: 9);

    private string File => Path.Combine(_folder, TrainingCheckpoint.FileName);

    [TestCleanup]
    public void RemoveFolder()
    {
        if (Directory.Exists(_folder))
            Directory.Delete(_folder, recursive: true);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(7, DisplayName = "at the end of an epoch")]
    [DataRow(17)]
    public void A_resumed_run_gives_the_bits_of_an_uninterrupted_one(int stop)
    {
        using TunedModel whole = TinyModel.Create(dropout: 0.2), first = TinyModel.Create(dropout: 0.2), second = TinyModel.Create(dropout: 0.2);
        TrainingResult expected = TinyRun.Train(whole, Options(), validation: _validation);

        StopAfter(stop, first);
        TrainingResult resumed = TinyRun.Train(second, Options(), validation: _validation);

        CollectionAssert.AreEqual(TinyRun.Weights(whole), TinyRun.Weights(second));
        Assert.AreEqual(expected with { BestMetrics = null, History = [] }, resumed with { BestMetrics = null, History = [] });
        CollectionAssert.AreEqual(expected.BestMetrics!.ToArray(), resumed.BestMetrics!.ToArray());
        CollectionAssert.AreEqual(expected.History.Select(e => e.ToString()).ToArray(), resumed.History.Select(e => e.ToString()).ToArray());
        Assert.IsFalse(System.IO.File.Exists(File), "a complete run leaves no state");
    }

    [TestMethod]
    [DataRow(TrainingOptimizer.PagedAdamW32Bit, TrainingOptimizer.PagedAdamW32Bit)]
    [DataRow(TrainingOptimizer.AdamW, TrainingOptimizer.PagedAdamW32Bit)]
    [DataRow(TrainingOptimizer.PagedAdamW32Bit, TrainingOptimizer.AdamW)]
    public void A_paged_run_gives_the_bits_of_a_plain_one_interrupted_or_not(TrainingOptimizer before, TrainingOptimizer after)
    {
        using TunedModel plain = TinyModel.Create(dropout: 0.2), first = TinyModel.Create(dropout: 0.2), second = TinyModel.Create(dropout: 0.2);
        TinyRun.Train(plain, Options(), validation: _validation);
        StopAfter(11, first, Options(before));
        TinyRun.Train(second, Options(after), validation: _validation);
        CollectionAssert.AreEqual(TinyRun.Weights(plain), TinyRun.Weights(second));
    }

    [TestMethod]
    public void A_state_in_another_form_is_refused()
    {
        using TunedModel first = TinyModel.Create(), second = TinyModel.Create();
        StopAfter(3, first, Options(TrainingOptimizer.PagedAdamW8Bit));
        Assert.ThrowsExactly<InvalidDataException>(() => TinyRun.Train(second, Options(), validation: _validation));
        Assert.AreEqual(TrainingEnd.Completed, TinyRun.Train(second, Options(TrainingOptimizer.AdamW8Bit), validation: _validation).End);
    }

    [TestMethod]
    public void A_run_that_died_goes_on_from_its_last_checkpoint()
    {
        using TunedModel whole = TinyModel.Create(), first = TinyModel.Create(), second = TinyModel.Create();
        TinyRun.Train(whole, Options(), validation: _validation);
        var broken = new TinyTask { OnLoss = (n, loss) => n == 13 ? throw new IOException("power cut") : loss };

        Assert.ThrowsExactly<IOException>(() => TinyRun.Train(first, Options(), validation: _validation, task: broken));
        var log = new TinyRun.Log();
        TinyRun.Train(second, Options(), validation: _validation, reporter: log);

        Assert.AreEqual(6, log.Steps[0].Step, "checkpoints come every 5 steps");
        CollectionAssert.AreEqual(TinyRun.Weights(whole), TinyRun.Weights(second));
    }

    [TestMethod]
    public void A_damaged_state_is_refused_by_name()
    {
        using TunedModel first = TinyModel.Create(), second = TinyModel.Create();
        StopAfter(3, first);
        byte[] bytes = System.IO.File.ReadAllBytes(File);
        bytes[^5] ^= 1;
        System.IO.File.WriteAllBytes(File, bytes);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => TinyRun.Train(second, Options(), validation: _validation)).Message, File);

        foreach (int length in new[] { bytes.Length / 2, 4, 0 })
        {
            System.IO.File.WriteAllBytes(File, bytes[..length]);
            StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => TinyRun.Train(second, Options(), validation: _validation)).Message, File);
        }
    }

    [TestMethod]
    public void Another_runs_state_is_refused_or_left_aside()
    {
        using TunedModel model = TinyModel.Create(), fresh = TinyModel.Create(), expected = TinyModel.Create();
        StopAfter(3, model);
        Assert.ThrowsExactly<InvalidDataException>(() => TinyRun.Train(fresh, Options(), rows: 51, validation: _validation));

        TrainingOptions again = Options();
        again.Resume = false;
        TinyRun.Train(fresh, again, validation: _validation);
        again.CheckpointFolder = null;
        TinyRun.Train(expected, again, validation: _validation);
        CollectionAssert.AreEqual(TinyRun.Weights(expected), TinyRun.Weights(fresh));
    }

    [TestMethod]
    public void Cancelled_before_the_first_step_is_an_exception()
    {
        using TunedModel model = TinyModel.Create();
        float[] before = TinyRun.Weights(model);
        Assert.ThrowsExactly<OperationCanceledException>(() => TinyRun.Train(model, new TrainingOptions(), token: new CancellationToken(true)));
        CollectionAssert.AreEqual(before, TinyRun.Weights(model));
    }

    [TestMethod]
    public void Cancelling_writes_the_state_and_is_an_exception()
    {
        using TunedModel model = TinyModel.Create();
        StringAssert.Contains(StopAfter(3, model).Message, File);
        Assert.IsTrue(System.IO.File.Exists(File));
        TrainingOptions nowhere = Options();
        nowhere.CheckpointFolder = null;
        StringAssert.Contains(StopAfter(3, model, nowhere).Message, "nothing was kept");
    }

    [TestMethod]
    public void By_option_cancelling_gives_the_last_weights_where_nothing_was_evaluated()
    {
        using TunedModel model = TinyModel.Create(), expected = TinyModel.Create();
        using var source = new CancellationTokenSource();
        TrainingOptions options = Options();
        (options.ReturnBestWhenCancelled, options.CancellationToken) = (true, source.Token);
        options.Progress = new TinyRun.Callback(p =>
        {
            if (p.Step == 3)
                source.Cancel();
        });
        TrainingResult result = TinyRun.Train(model, options);
        Assert.AreEqual((TrainingEnd.Cancelled, 3), (result.End, result.Steps));
        Assert.IsTrue(System.IO.File.Exists(File), "it can go on all the same");
        TrainingOptions nowhere = Options();
        nowhere.CheckpointFolder = null;
        StopAfter(3, expected, nowhere);
        CollectionAssert.AreEqual(TinyRun.Weights(expected), TinyRun.Weights(model));
    }

    [TestMethod]
    public void By_option_cancelling_keeps_the_best_model()
    {
        using TunedModel model = TinyModel.Create();
        float[]? best = null;
        using var source = new CancellationTokenSource();
        TrainingOptions options = Options();
        (options.ReturnBestWhenCancelled, options.CancellationToken) = (true, source.Token);
        options.Progress = new TinyRun.Callback(p =>
        {
            best ??= p.Validation is null ? null : TinyRun.Weights(model);
            if (p.Step == 10)
                source.Cancel();
        });
        TrainingResult result = TinyRun.Train(model, options, validation: _validation);
        Assert.AreEqual(TrainingEnd.Cancelled, result.End);
        Assert.AreEqual(7, result.BestStep);
        Assert.AreEqual(result.BestMetrics![TrainingMetrics.Loss], result.History.Single().Validation![TrainingMetrics.Loss]);
        CollectionAssert.AreEqual(best, TinyRun.Weights(model));
    }

    [TestMethod]
    public void Early_stopping_gives_the_best_weights_back()
    {
        using TunedModel model = TinyModel.Create();
        var evaluations = new List<(float[] Weights, double Loss)>();
        TrainingOptions options = Overfitting();
        options.Progress = new TinyRun.Callback(p =>
        {
            if (p.Validation is { } metrics)
                evaluations.Add((TinyRun.Weights(model), metrics[TrainingMetrics.Loss]));
        });
        TrainingResult result = TinyRun.Train(model, options, validation: _validation);

        Assert.AreEqual(TrainingEnd.StoppedEarly, result.End);
        var best = evaluations.MinBy(e => e.Loss);
        Assert.AreEqual(evaluations.Count - 3, evaluations.IndexOf(best), "two more were waited for");
        CollectionAssert.AreEqual(best.Weights, TinyRun.Weights(model));
        Assert.AreEqual(best.Loss, result.BestMetrics![TrainingMetrics.Loss]);
    }

    [TestMethod]
    public void The_best_weights_outlive_an_interruption()
    {
        using TunedModel whole = TinyModel.Create(), first = TinyModel.Create(), second = TinyModel.Create();
        TrainingResult expected = TinyRun.Train(whole, Overfitting(), validation: _validation);
        StopAfter(expected.Steps - 1, first, Overfitting());
        TrainingResult resumed = TinyRun.Train(second, Overfitting(), validation: _validation);

        Assert.AreEqual(TrainingEnd.StoppedEarly, resumed.End);
        Assert.AreEqual(expected.BestStep, resumed.BestStep);
        CollectionAssert.AreEqual(TinyRun.Weights(whole), TinyRun.Weights(second));
    }

    [TestMethod]
    public void A_metric_that_the_task_lacks_is_an_error()
    {
        using TunedModel model = TinyModel.Create();
        TrainingOptions options = Options();
        options.EarlyStoppingMetric = "F2";
        var log = new TinyRun.Log();
        var e = Assert.ThrowsExactly<ArgumentException>(() => TinyRun.Train(model, options, validation: _validation, reporter: log));
        StringAssert.Contains(e.Message, "Accuracy");
        Assert.IsEmpty(log.Steps, "it is known before the first step");
        options.EarlyStoppingMetric = "accuracy";
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => TinyRun.Train(model, options)).Message, "validation set");
        options.EarlyStoppingPatience = 1;
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => TinyRun.Train(model, options)).Message, "validation set");
    }

    [TestMethod]
    [DataRow("accuracy", true)]
    [DataRow("LOSS", false)]
    public void The_best_evaluation_is_found_by_a_metric_in_any_case(string metric, bool highest)
    {
        using TunedModel model = TinyModel.Create();
        TrainingOptions options = Overfitting();
        options.EarlyStoppingMetric = metric;
        TrainingResult result = TinyRun.Train(model, options, validation: _validation);
        string name = result.BestMetrics!.Keys.Single(key => key.Equals(metric, StringComparison.OrdinalIgnoreCase));
        double[] values = [.. result.History.Select(epoch => epoch.Validation![name])];
        Assert.AreEqual(highest ? values.Max() : values.Min(), result.BestMetrics[name]);
    }

    private TrainingOptions Options(TrainingOptimizer optimizer = TrainingOptimizer.AdamW) => new()
    {
        Optimizer = optimizer, BatchSize = 8, MaxEpochs = 4, LearningRate = 1e-2, CheckpointFolder = _folder, CheckpointEverySteps = 5,
    };

    private TrainingOptions Overfitting() => new()
    {
        BatchSize = 8, MaxEpochs = 200, LearningRate = 0.5, Schedule = LearningRateSchedule.Constant, WarmupRatio = 0, EarlyStoppingPatience = 2,
        CheckpointFolder = _folder,
    };

    private OperationCanceledException StopAfter(int step, TunedModel model, TrainingOptions? options = null)
    {
        using var source = new CancellationTokenSource();
        options ??= Options();
        options.Progress = new TinyRun.Callback(p =>
        {
            if (p.Step == step)
                source.Cancel();
        });
        return Assert.ThrowsExactly<OperationCanceledException>(() => TinyRun.Train(model, options, validation: _validation, token: source.Token));
    }
}
