using System.Runtime.CompilerServices;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Estimators;

[TestClass]
public sealed class PredictionEngineTests
{
    private static readonly PredictionEngineOptions s_borrowing = new() { OwnsTransformer = false };

    private readonly MLContext _context = TestDevice.NewContext(seed: 1);
    private readonly TinyBert _bert = new();

    [TestCleanup]
    public void DeleteModel() => _bert.Dispose();

    [TestMethod]
    public void ADisposedEngineLeavesTheOthersWorking()
    {
        ITransformer model = Fit();
        var first = _context.Model.CreatePredictionEngine<Review, Prediction>(model);
        var second = _context.Model.CreatePredictionEngine<Review, Prediction>(model);
        Prediction before = second.Predict(Review.Make(1)[0]);
        first.Dispose();
        CollectionAssert.AreEqual(before.Score, second.Predict(Review.Make(1)[0]).Score);
        Assert.ThrowsExactly<ObjectDisposedException>(() => _context.Model.CreatePredictionEngine<Review, Prediction>(model));
        second.Dispose();
    }

    [TestMethod]
    public void DisposingTwiceLeavesTheEnginesWorking()
    {
        PeftTransformer model = FitBare();
        var first = _context.Model.CreatePredictionEngine<Review, Scores>(model, s_borrowing);
        var second = _context.Model.CreatePredictionEngine<Review, Scores>(model);
        float[] before = second.Predict(Review.Make(1)[0]).Score;
        model.Dispose();
        model.Dispose();
        first.Dispose();
        CollectionAssert.AreEqual(before, first.Predict(Review.Make(1)[0]).Score);
        CollectionAssert.AreEqual(before, second.Predict(Review.Make(1)[0]).Score);
        Assert.ThrowsExactly<ObjectDisposedException>(() => _context.Model.CreatePredictionEngine<Review, Scores>(model));
        second.Dispose();
    }

    [TestMethod]
    public void TheModelGoesWithTheLastEngineThatIsCollected()
    {
        long before = LiveTensors.Settled();
        WeakReference transformer = UseAndDispose();
        Assert.AreEqual(before, LiveTensors.Settled(), "live tensors");
        Assert.IsFalse(transformer.IsAlive);
    }

    [TestMethod]
    public void NothingIsFreedOnTheFinalizersThread()
    {
        var freed = new TaskCompletionSource<int>();
        var finalizer = new TaskCompletionSource<int>();
        HoldAndDispose(freed, finalizer);
        while (!freed.Task.IsCompleted || !finalizer.Task.IsCompleted)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        Assert.AreNotEqual(finalizer.Task.Result, freed.Task.Result);
    }

    [TestMethod]
    public void TheOwnerMayDisposeAfterItsEngine()
    {
        ITransformer model = Fit();
        _context.Model.CreatePredictionEngine<Review, Prediction>(model).Dispose();
        ((IDisposable)model).Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => model.Transform(Review.Load(_context)));
    }

    [TestMethod]
    public void AnEngineThatBorrowsLeavesTheModel()
    {
        ITransformer model = Fit();
        _context.Model.CreatePredictionEngine<Review, Prediction>(model, s_borrowing).Dispose();
        Assert.IsNotNull(model.Transform(Review.Load(_context)));
        ((IDisposable)model).Dispose();
    }

    [TestMethod]
    public void EnginesPredictWhatTransformDoesOnManyThreads()
    {
        ITransformer model = Fit();
        IReadOnlyList<Review> rows = Review.Make(24);
        float[][] expected = [.. _context.Data.CreateEnumerable<Prediction>(model.Transform(Review.Load(_context, 24)), false, true).Select(p => p.Score)];
        Parallel.For(0, 4, _ =>
        {
            using var engine = _context.Model.CreatePredictionEngine<Review, Prediction>(model, s_borrowing);
            for (int i = 0; i < rows.Count; i++)
                CollectionAssert.AreEqual(expected[i].Select(s => Math.Round(s, 4)).ToArray(), engine.Predict(rows[i]).Score.Select(s => Math.Round(s, 4)).ToArray());
        });
        // A thread of the pool may keep the loop's closure, and the model with it, for a while.
        ((IDisposable)model).Dispose();
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private WeakReference UseAndDispose()
    {
        PeftTransformer model = FitBare();
        using (var engine = _context.Model.CreatePredictionEngine<Review, Scores>(model))
            engine.Predict(Review.Make(1)[0]);
        using (var engine = TestDevice.NewContext().Model.CreatePredictionEngine<Review, Scores>(FitBare()))
            engine.Predict(Review.Make(1)[0]);
        return new WeakReference(model);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void HoldAndDispose(TaskCompletionSource<int> freed, TaskCompletionSource<int> finalizer)
    {
        // Made here: code that is not optimized keeps a caller's temporaries alive to its own end.
        var onFinalizerThread = new FinalizerThread(finalizer);
        PretrainedModel bert = BaseModels.Open(_bert.Folder, CPU, seed: 1);
        var host = new ModelHost(new TunedModel(bert, bert.As<ISequenceClassifier>().CreateSequenceClassificationHead(2), new Recorder(freed)), new AdapterTable([], null), "test");
        host.KeepForRow();
        host.Dispose();
        GC.KeepAlive(onFinalizerThread);
    }

    private PeftTransformer FitBare() => _context.Peft().Lora(_bert.Folder, PeftTask.TextClassification(), maxEpochs: 1).Fit(Review.Load(_context));

    private ITransformer Fit()
    {
        IEstimator<ITransformer> pipeline = _context.Peft().Lora(_bert.Folder, PeftTask.TextClassification(), maxEpochs: 1)
            .Append(_context.Transforms.Conversion.MapKeyToValue("PredictedLabel"));
        return pipeline.Fit(Review.Load(_context));
    }

    private sealed class Recorder(TaskCompletionSource<int> freed) : ITuner
    {
        public string Key => "recorder";

        public bool TouchesBase => false;

        public IReadOnlyList<Parameter> Trainable => [];

        public void Attach(TuningTarget target, long seed, string adapter)
        {
        }

        public IReadOnlyList<(string Name, Tensor Value)> Export() => [];

        public void Import(ITensorSource source)
        {
        }

        public bool TryMerge() => false;

        public void Unmerge()
        {
        }

        public void Dispose() => freed.SetResult(Environment.CurrentManagedThreadId);
    }

    private sealed class FinalizerThread(TaskCompletionSource<int> found)
    {
        ~FinalizerThread() => found.SetResult(Environment.CurrentManagedThreadId);
    }

    private sealed class Scores
    {
        public float[] Score { get; set; } = [];
    }

    private sealed class Prediction
    {
        public string PredictedLabel { get; set; } = "";

        public float[] Score { get; set; } = [];
    }
}
