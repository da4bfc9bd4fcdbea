using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Estimators;

[TestClass]
public sealed class PredictionEngineTests
{
    private static readonly PredictionEngineOptions s_borrowing = new() { OwnsTransformer = false };

    private readonly MLContext _context = new(seed: 1);
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
    public void TheLastEngineTakesTheModelAlong()
    {
        // A chain hands on its first disposal alone; a bare transformer sees each.
        ITransformer model = _context.Peft().Lora(_bert.Folder, PeftTask.TextClassification(), maxEpochs: 1).Fit(Review.Load(_context));
        var first = _context.Model.CreatePredictionEngine<Review, Scores>(model);
        var second = _context.Model.CreatePredictionEngine<Review, Scores>(model);
        first.Dispose();
        Assert.HasCount(2, second.Predict(Review.Make(1)[0]).Score);
        second.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => second.Predict(Review.Make(1)[0]));
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
    }

    private ITransformer Fit()
    {
        IEstimator<ITransformer> pipeline = _context.Peft().Lora(_bert.Folder, PeftTask.TextClassification(), maxEpochs: 1)
            .Append(_context.Transforms.Conversion.MapKeyToValue("PredictedLabel"));
        return pipeline.Fit(Review.Load(_context));
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
