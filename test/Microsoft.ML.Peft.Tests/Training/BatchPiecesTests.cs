using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Training.Estimates;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Training;

/// <summary>A loss over a whole batch whose rows are run piece by piece is the loss of one piece.</summary>
[TestClass]
public sealed class BatchPiecesTests
{
    private const int Rows = 40;

    private readonly string _folder = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    [TestCleanup]
    public void RemoveFolder()
    {
        if (Directory.Exists(_folder))
            Directory.Delete(_folder, recursive: true);
    }

    [TestMethod]
    [DataRow(8, 0.0)]
    [DataRow(7, 0.0)]
    [DataRow(8, 0.3)]
    [DataRow(39, 0.3)]
    public void GradientsAreThoseOfOneGraph(int piece, double dropout)
    {
        using TunedModel model = TinyModel.Create(dropout: dropout);
        Example[] rows = TinyTask.Rows(Rows);
        int[] numbers = [.. Enumerable.Range(0, Rows)];
        var runner = new BatchRunner(model, Task(), CPU) { PieceSize = piece };
        (double sum, long count) = runner.Learn(rows, rows, numbers, Call());
        float[][] learnt = Gradients(model);
        Assert.AreEqual(2 * ((Rows + piece - 1) / piece), ((TinyModel)model.Model).Forwards);

        model.Trainable.ClearGradients();
        using var scope = NewDisposeScope();
        ForwardContext context = Call();
        Batch[] batches = [.. rows.Chunk(piece).Select(part => runner.Begin(part, withLabels: true).Finish())];
        Tensor answers = cat([.. batches.Select(batch => runner.Answer(batch, rows, numbers, context))], 0);
        Tensor loss = Compare(answers, rows);
        loss.backward();
        Array.ForEach(batches, batch => batch.Dispose());

        Assert.AreEqual(Rows, count);
        Assert.AreEqual(loss.item<float>(), sum, 1e-4);
        foreach (var (own, whole) in learnt.Zip(Gradients(model)))
            TinyRun.AreClose(whole, own, 1e-5);
    }

    [TestMethod]
    public void WithoutDropoutItIsTheLossAtOnce()
    {
        float[] pieces = WeightsAfter(new() { MaxEpochs = 2, BatchSize = 20, LearningRate = 1e-2, MiniBatchSize = 3 }, dropout: 0);
        float[] once = WeightsAfter(new() { MaxEpochs = 2, BatchSize = 20, LearningRate = 1e-2 }, dropout: 0);
        TinyRun.AreClose(once, pieces, 1e-4);
    }

    [TestMethod]
    [DataRow(2), DataRow(3)]
    public void AKilledRunGoesOnToTheBit(int killed)
    {
        TrainingOptions Options(string? folder) => new()
        {
            MaxEpochs = 2, BatchSize = 20, MiniBatchSize = 6, LearningRate = 1e-2, CheckpointFolder = folder, CheckpointEverySteps = 1,
        };
        float[] whole = WeightsAfter(Options(null), dropout: 0.2);
        using (TunedModel first = TinyModel.Create(dropout: 0.2))
        {
            Assert.ThrowsExactly<IOException>(() => TinyRun.Train(
                first, Options(_folder), Rows, task: Task((n, loss) => n == killed ? throw new IOException("power cut") : loss)));
        }
        CollectionAssert.AreEqual(whole, WeightsAfter(Options(_folder), dropout: 0.2));
    }

    [TestMethod]
    public void AnEvaluationIsOfTheWholeBatch()
    {
        using TunedModel model = TinyModel.Create();
        Example[] rows = TinyTask.Rows(Rows);
        Dictionary<string, double> once = Evaluator.Run(new BatchRunner(model, Task(), CPU), rows, Rows);
        Dictionary<string, double> pieces = Evaluator.Run(new BatchRunner(model, Task(), CPU) { PieceSize = 9 }, rows, Rows);
        Assert.AreEqual(once["Loss"], pieces["Loss"], 1e-5);
        Assert.AreEqual(once["Accuracy"], pieces["Accuracy"], 1e-9);
    }

    [TestMethod]
    public void ALossThatIsNoNumberEndsTheRun()
    {
        using TunedModel model = TinyModel.Create();
        Assert.Contains("loss", Assert.ThrowsExactly<InvalidOperationException>(() => TinyRun.Train(
            model, new() { BatchSize = 20, MiniBatchSize = 4 }, task: Task((_, loss) => loss * double.NaN))).Message);
    }

    [TestMethod]
    public void AnEstimateTellsTheLossOfAllAndChangesNothing()
    {
        using TunedModel model = TinyModel.Create(dropout: 0.2);
        float[] before = TinyRun.Weights(model);
        TrainingEstimate Estimate(int batch) => Forecast.Of(
            model, Task(), TinyTask.Rows(1024), validates: false, TinyRun.Settings(new() { BatchSize = batch }), CPU, seed: 1, heldBefore: null);
        TrainingEstimate small = Estimate(32), large = Estimate(1024);
        CollectionAssert.AreEqual(before, TinyRun.Weights(model));
        Assert.IsTrue(model.Trainable.All(p => p.Value.grad is null));
        if (!OperatingSystem.IsLinux())
            return;
        // Of 1,024 rows the loss makes matrices of four megabytes; what a piece takes is the same.
        Assert.IsGreaterThan(4L << 20, large.ActivationBytes);
        Assert.IsLessThan(1L << 20, small.ActivationBytes);
    }

    private static ForwardContext Call() => new() { Seeds = new DropoutSeeds(5) };

    private static TinyTask Task(Func<int, Tensor, Tensor>? onLoss = null) => new() { OfAnswers = Compare, OnLoss = onLoss ?? ((_, loss) => loss) };

    // Rows of the same label are to answer alike, others not.
    private static Tensor Compare(Tensor answers, IReadOnlyList<Example> rows)
    {
        using var scope = NewDisposeScope();
        Tensor label = tensor([.. rows.Select(row => (float)row.Label!.Value)], ScalarType.Float32, CPU);
        Tensor same = label.unsqueeze(0).eq(label.unsqueeze(1)).to(ScalarType.Float32);
        return (answers.mm(answers.t()) - same).square().mean().mul(rows.Count).MoveToOuterDisposeScope();
    }

    private static float[] WeightsAfter(TrainingOptions options, double dropout) => TinyRun.WeightsAfter(options, Rows, dropout: dropout, task: Task());

    private static float[][] Gradients(TunedModel model) => [.. model.Trainable.Select(p => p.Value.grad!.data<float>().ToArray())];
}
