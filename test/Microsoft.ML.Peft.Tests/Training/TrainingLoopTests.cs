using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Training;

[TestClass]
public sealed class TrainingLoopTests
{
    private static TrainingOptions Options(int epochs = 3) => new() { BatchSize = 8, MaxEpochs = epochs, LearningRate = 1e-2 };

    [TestMethod]
    public void Same_seed_same_bits() =>
        CollectionAssert.AreEqual(TinyRun.WeightsAfter(Options(), dropout: 0.2), TinyRun.WeightsAfter(Options(), dropout: 0.2));

    [TestMethod]
    public void Another_seed_another_order() =>
        CollectionAssert.AreNotEqual(TinyRun.WeightsAfter(Options()), TinyRun.WeightsAfter(Options(), seed: 2));

    [TestMethod]
    public void Learns_and_reports()
    {
        using TunedModel model = TinyModel.Create();
        var log = new TinyRun.Log();
        Example[] validation = TinyTask.Rows(40, seed: 9);
        TrainingResult result = TinyRun.Train(model, Options(epochs: 20), validation: validation, reporter: log);

        Assert.AreEqual(TrainingEnd.Completed, result.End);
        Assert.AreEqual(20 * 7, result.Steps);
        Assert.IsGreaterThan(0.6, result.BestMetrics![TrainingMetrics.Accuracy]);
        Assert.IsLessThan(log.Steps[0].Loss, result.Loss);
        Assert.HasCount(140, log.Steps);
        Assert.AreEqual(20, log.Steps.Count(s => s.Validation is not null));
        Assert.AreEqual(TimeSpan.Zero, log.Steps[^1].TimeLeft);
        Assert.IsTrue(log.Steps.All(s => s.RowsPerSecond > 0 && s.TotalSteps == 140));
    }

    [TestMethod]
    public void Accumulation_equals_one_large_batch()
    {
        var large = Options();
        large.BatchSize = 24;
        large.GroupByLength = false;
        var small = Options();
        small.GroupByLength = false;
        small.GradientAccumulationSteps = 3;
        TinyRun.AreClose(TinyRun.WeightsAfter(large), TinyRun.WeightsAfter(small), 1e-6);
    }

    [TestMethod]
    public void Halves_of_like_length_are_one_batch()
    {
        TrainingOptions whole = Options(), halves = Options();
        (whole.BatchSize, whole.GroupByLength, halves.BatchSize) = (50, false, 50);
        TinyRun.AreClose(TinyRun.WeightsAfter(whole), TinyRun.WeightsAfter(halves), 1e-5);
    }

    [TestMethod]
    public void Cached_features_equal_computed_ones()
    {
        using TunedModel cached = TinyModel.Create(frozen: true);
        TinyRun.Train(cached, Options());
        using TunedModel plain = Uncached();
        TinyRun.Train(plain, Options());
        TinyRun.AreClose(TinyRun.Weights(plain), TinyRun.Weights(cached), 1e-6);
        Assert.AreEqual(7, ((TinyModel)cached.Model).Forwards, "one pass over 50 rows in batches of 8");
        Assert.AreEqual(3 * 13, ((TinyModel)plain.Model).Forwards, "halves of batches, each a pass of its own");
    }

    [TestMethod]
    [DataRow(true, DisplayName = "over cached features")]
    [DataRow(false)]
    public void A_run_gives_the_same_bits_each_time(bool frozen)
    {
        float[] expected = TinyRun.WeightsAfter(Options(), frozen: frozen);
        for (int run = 0; run < 6; run++)
            CollectionAssert.AreEqual(expected, TinyRun.WeightsAfter(Options(), frozen: frozen), $"run {run}");
    }

    [TestMethod]
    public void Rows_on_the_disk_are_learnt_as_rows_in_memory_and_stay_there()
    {
        using TunedModel memory = TinyModel.Create(frozen: true), disk = TinyModel.Create(frozen: true);
        Example[] validation = TinyTask.Rows(20, seed: 9);
        TrainingResult expected = TinyRun.Train(memory, Options(), validation: validation);
        using ExampleStore spilled = Spilled(TinyTask.Rows(50)), spilledValidation = Spilled(validation);
        TrainingResult result = TrainingLoop.Run(
            disk, new TinyTask(), spilled, spilledValidation, TinyRun.Settings(Options()), CPU, 1, new TinyRun.Log(), default);
        CollectionAssert.AreEqual(TinyRun.Weights(memory), TinyRun.Weights(disk));
        Assert.AreEqual(expected.ToString(), result.ToString());
        Assert.AreEqual(7 + 3, ((TinyModel)disk.Model).Forwards, "features were computed once");
        Assert.AreNotSame(spilled[0], spilled[0]);

        static ExampleStore Spilled(Example[] rows)
        {
            var store = new ExampleStore(memoryLimit: 0);
            foreach (Example row in rows)
                store.Add(row);
            return store;
        }
    }

    [TestMethod]
    public void Rows_that_change_from_step_to_step_are_not_cached_and_change_alike()
    {
        float[] first = Weights(out int forwards), second = Weights(out _);
        Assert.AreEqual(3 * 13, forwards);
        CollectionAssert.AreEqual(first, second);

        static float[] Weights(out int forwards)
        {
            using TunedModel model = TinyModel.Create(frozen: true);
            TinyRun.Train(model, Options(), task: new TinyTask { OnPrepare = (rows, random) => [.. rows.Select(row => Masked(row, random))] });
            forwards = ((TinyModel)model.Model).Forwards;
            return TinyRun.Weights(model);
        }

        static Example Masked(Example row, Random random) =>
            new() { Ids = [.. row.Ids.Select(id => random.NextDouble() < 0.2 ? 31 : id)], Label = row.Label };
    }

    [TestMethod]
    public void Gradient_checkpointing_changes_no_bit()
    {
        TrainingOptions options = Options();
        options.GradientCheckpointing = true;
        CollectionAssert.AreEqual(TinyRun.WeightsAfter(Options(), dropout: 0.3), TinyRun.WeightsAfter(options, dropout: 0.3));
    }

    [TestMethod]
    public void A_run_that_comes_apart_is_warned_of()
    {
        using TunedModel model = TinyModel.Create();
        var log = new TinyRun.Log();
        TinyRun.Train(model, Options(), reporter: log, task: new TinyTask { OnLoss = (n, loss) => n < 13 ? loss : loss * 10 });
        StringAssert.Contains(log.Warnings.Single(), "Epoch 2", "it is said once");
    }

    [TestMethod]
    public void A_loss_that_rises_from_nothing_to_next_to_nothing_is_none()
    {
        using TunedModel model = TinyModel.Create();
        var log = new TinyRun.Log();
        TinyRun.Train(model, Options(), reporter: log, task: new TinyTask { OnLoss = (n, loss) => loss * (n < 13 ? 1e-6f : 1e-3f) });
        Assert.IsEmpty(log.Warnings);
    }

    [TestMethod]
    public void Progress_and_results_say_what_they_hold()
    {
        using TunedModel model = TinyModel.Create();
        var log = new TinyRun.Log();
        TrainingResult result = TinyRun.Train(model, Options(), validation: TinyTask.Rows(20), reporter: log);
        StringAssert.Contains(log.Steps[^1].ToString(), "Validation: Loss ");
        Assert.IsFalse(log.Steps[0].ToString().Contains("Validation", StringComparison.Ordinal));
        StringAssert.StartsWith(result.ToString(), $"Completed at step {result.Steps}");
        StringAssert.Contains(result.ToString(), "Accuracy ");
        Assert.HasCount(3, result.History);
        StringAssert.Contains(result.History[1].ToString(), "Epoch 2");
    }

    [TestMethod]
    public void Max_steps_end_the_run()
    {
        TrainingOptions options = Options();
        options.MaxSteps = 10;
        using TunedModel model = TinyModel.Create();
        Assert.AreEqual(10, TinyRun.Train(model, options).Steps);
    }

    [TestMethod]
    public void A_loss_that_is_not_finite_names_step_and_rate()
    {
        var task = new TinyTask { OnLoss = (n, loss) => n == 8 ? loss * float.NaN : loss };
        var e = Assert.ThrowsExactly<InvalidOperationException>(() => TinyRun.WeightsAfter(Options(), task: task));
        StringAssert.Contains(e.Message, "step 5");
        StringAssert.Contains(e.Message, "learning rate 0.00");
    }

    [TestMethod]
    public void A_gradient_that_is_not_finite_stops_before_it_reaches_the_weights()
    {
        using TunedModel model = TinyModel.Create();
        var task = new TinyTask { OnLoss = (n, loss) => n == 4 ? (loss - loss).sqrt() : loss };
        var e = Assert.ThrowsExactly<InvalidOperationException>(() => TinyRun.Train(model, Options(), task: task));
        StringAssert.Contains(e.Message, "gradient");
        Assert.IsTrue(TinyRun.Weights(model).All(float.IsFinite));
    }

    [TestMethod]
    public void The_global_generator_is_left_alone()
    {
        manual_seed(5);
        using Tensor expected = rand(4);
        manual_seed(5);
        TinyRun.WeightsAfter(Options(), dropout: 0.5);
        using Tensor actual = rand(4);
        CollectionAssert.AreEqual(expected.data<float>().ToArray(), actual.data<float>().ToArray());
    }

    [TestMethod]
    public void Tensors_stay_flat_over_300_steps()
    {
        // What other tests leave to the finalizer must not go meanwhile.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        using TunedModel model = TinyModel.Create(dropout: 0.1);
        var live = new List<long>();
        TrainingOptions options = Options(epochs: 43);
        options.Progress = new TinyRun.Callback(_ => live.Add(Tensor.TotalCount));
        // What tests before this one left to the collector would go in the middle of the count.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        long before = Tensor.TotalCount;
        TinyRun.Train(model, options, validation: TinyTask.Rows(20));

        Assert.IsGreaterThanOrEqualTo(300, live.Count);
        Assert.AreEqual(live[10], live[^1]);
        Assert.AreEqual(before, Tensor.TotalCount);
    }

    [TestMethod]
    public void Nothing_to_train_is_an_error()
    {
        using TunedModel model = TinyModel.Create();
        using var frozen = new TunedModel(model.Model, model.Head, new TinyTuner([], touchesBase: false));
        Assert.ThrowsExactly<ArgumentException>(() => TinyRun.Train(frozen, Options()));
        Assert.ThrowsExactly<ArgumentException>(() => TinyRun.Train(model, Options(), rows: 0));
    }

    // The head alone trains, and the tuner does not say that the base is frozen.
    private static TunedModel Uncached()
    {
        TunedModel frozen = TinyModel.Create(frozen: true);
        return new TunedModel(frozen.Model, frozen.Head, new TinyTuner(frozen.Head.Parameters, touchesBase: true));
    }
}
