using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Training.Estimates;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Training.Estimates;

[TestClass]
public sealed class ForecastTests
{
    [TestMethod]
    public void An_estimate_changes_no_bit_of_a_run()
    {
        var options = new TrainingOptions { BatchSize = 4, MaxEpochs = 2, GradientAccumulationSteps = 2 };
        float[] plain = TinyRun.WeightsAfter(options, dropout: 0.3);
        using TunedModel model = TinyModel.Create(frozen: false, dropout: 0.3);
        float[] before = TinyRun.Weights(model);
        using Tensor state = get_rng_state();
        Forecast.Of(model, new TinyTask(), TinyTask.Rows(50), validates: false, TinyRun.Settings(options), CPU, seed: 1, heldBefore: null);
        using Tensor after = get_rng_state();

        CollectionAssert.AreEqual(state.data<byte>().ToArray(), after.data<byte>().ToArray());
        CollectionAssert.AreEqual(before, TinyRun.Weights(model));
        Assert.IsTrue(model.Trainable.All(p => p.Value.grad is null));
        TinyRun.Train(model, options);
        CollectionAssert.AreEqual(plain, TinyRun.Weights(model));
    }

    [TestMethod]
    public void Every_block_of_libtorch_is_noted_on_the_thread_that_listens()
    {
        int heard;
        using (AllocationRecorder recorder = AllocationRecorder.Start(CPU.type)!)
        {
            using (Tensor large = zeros(1 << 18, ScalarType.Float32, CPU))
                Task.Run(() => zeros(1 << 17, ScalarType.Float32, CPU).Dispose()).Wait();
            heard = recorder.Events.Count;
            CollectionAssert.AreEqual(new AllocationEvent[] { new(0, 1 << 20), new(0, 0) }, recorder.Events.Where(e => e.Block == 0).ToArray());
            Assert.IsFalse(recorder.Events.Any(e => e.Bytes == 1 << 19));
            zeros(1 << 16, ScalarType.Float32, CPU).Dispose();
            Assert.IsGreaterThan(heard, recorder.Events.Count);
        }
        // Nobody listens any more, and libtorch goes on.
        zeros(1 << 16, ScalarType.Float32, CPU).Dispose();
    }

    [TestMethod]
    public void Without_the_process_heap_the_blocks_of_a_run_are_added_up()
    {
        using TunedModel model = TinyModel.Create(frozen: false, dropout: 0);
        long weights = model.Trainable.Sum(p => p.Value.numel() * sizeof(float));
        var step = new AllocationTrace([new(0, 1000), new(1, 500), new(1, 0), new(2, 200), new(2, 0)]);
        var options = new TrainingOptions();
        long plain = new RunMemory(model, TinyRun.Settings(options), validates: false, CPU, heldBefore: null).PeakOf(step);
        long validated = new RunMemory(model, TinyRun.Settings(options), validates: true, CPU, heldBefore: null).PeakOf(step);

        long kept = new RunMemory(model, TinyRun.Settings(options) with { KeepsStart = true }, validates: false, CPU, heldBefore: null).PeakOf(step);

        // The weights, two moments for each, and the step.
        Assert.AreEqual(RunMemory.ProductBuffers + (3 * weights) + 1500, plain);
        Assert.AreEqual(plain + weights, validated);
        Assert.AreEqual(plain + weights, kept);
        Assert.AreEqual(500, step.PeakBesidesKept);
    }

    [TestMethod]
    [DataRow(1, 1)]
    [DataRow(2, 64)]
    [DataRow(4, 128)]
    [DataRow(32, 8)]
    [DataRow(64, 512)]
    public void Steps_of_a_quarter_at_most_tell_what_the_whole_takes(int rows, int length)
    {
        StepGrid grid = StepGrid.For(rows, length);
        Func<int, int, double>[] blocks = [(_, _) => 1000, (r, _) => 300 * r, (_, l) => 70 * l, (r, l) => 70 * r * l, (_, l) => 5 * l * l, (r, l) => 5 * r * l * l];
        // One length tells no more than itself, and two no more than a line.
        foreach (Func<int, int, double> block in blocks.Take(2 * grid.Lengths.Length))
        {
            double[] values = [.. grid.Sizes.Select(size => block(size.Rows, size.Length))];
            Assert.AreEqual(block(rows, length), grid.At(rows, length, values), 1e-6 * block(rows, length));
        }
        if (grid.Lengths.Length == 3)
        {
            double Sum(int r, int l) => blocks.Sum(block => block(r, l));
            Assert.AreEqual(Sum(rows, length), grid.At(rows, length, [.. grid.Sizes.Select(size => Sum(size.Rows, size.Length))], isSum: true), 1e-6 * Sum(rows, length));
        }
        if (length > 4)
            Assert.IsTrue(grid.Sizes.All(size => size.Length < length && 4L * size.Rows * size.Length <= (long)rows * length));
    }

    [TestMethod]
    public void Time_has_a_constant_and_goes_with_tokens_and_with_pairs()
    {
        double Seconds(int rows, int length) => 0.01 + (rows * length * (2e-5 + (1e-8 * length)));
        var time = new PassTime([.. StepGrid.For(16, 512).Sizes.Select(size => (size.Rows, size.Length, Seconds(size.Rows, size.Length)))]);
        Assert.AreEqual(Seconds(16, 512), time.Of(16, 512), 0.01 * Seconds(16, 512));
    }

    [TestMethod]
    public void Time_goes_with_pictures_too()
    {
        double Seconds(int rows, int length) => rows * (0.01 + (length * 1e-5));
        var time = new PassTime([.. StepGrid.For(32, 77).Sizes.Select(size => (size.Rows, size.Length, Seconds(size.Rows, size.Length)))]);
        Assert.AreEqual(Seconds(32, 77), time.Of(32, 77), 0.05 * Seconds(32, 77));
    }

    [TestMethod]
    public void Short_rows_keep_their_share_of_padding_labels_and_texts()
    {
        int[] ids = [.. Enumerable.Range(0, 40)];
        Example[] batch =
        [
            new() { Ids = ids, ReadPositions = ids[20..], Labels = ids[20..], Starts = [0, 20] },
            new() { Ids = ids[..39], ReadPositions = [38], Labels = [-100] },
            new() { Ids = ids[..4], ReadPositions = [3], Labels = [1] },
        ];
        Example[] rows = ShortRows.Of(batch, 3, 10);

        CollectionAssert.AreEqual(new[] { 10, 9, 1 }, rows.Select(row => row.Length).ToArray());
        Assert.HasCount(5, rows[0].ReadPositions);
        Assert.HasCount(5, rows[0].Labels);
        Assert.IsTrue(rows.All(row => row.ReadPositions.All(position => position < 10) && row.Labels.All(label => label >= 0)));
        CollectionAssert.AreEqual(new[] { 0, 5 }, rows[0].Starts);
        CollectionAssert.AreEqual(new[] { 10, 1 }, ShortRows.Of(batch, 2, 10).Select(row => row.Length).ToArray());
    }
}
