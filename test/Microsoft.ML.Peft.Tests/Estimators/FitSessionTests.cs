using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.TestSupport;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Estimators;

[TestClass]
public sealed class FitSessionTests
{
    private readonly MLContext _context = TestDevice.NewContext(seed: 1);
    private readonly TinyBert _bert = new();

    [TestCleanup]
    public void DeleteModel() => _bert.Dispose();

    [TestMethod]
    public void TheLastGoesFirstAndWhatWasTakenOverStays()
    {
        var gone = new List<int>();
        var session = new FitSession();
        Recorder[] made = [.. Enumerable.Range(0, 4).Select(i => session.Own(new Recorder(gone, i)))];
        session.Release(made[1], made[2]);
        session.Dispose();
        session.Dispose();
        CollectionAssert.AreEqual(new[] { 3, 0 }, gone);
    }

    [TestMethod]
    public void NothingIsLeftOfAFitThatFailsBeforeTraining() => LeavesNothing(() =>
        Assert.ThrowsExactly<InvalidOperationException>(() => Estimator().Fit(_context.Data.FilterRowsByColumn(Review.Load(_context), "Number", upperBound: 1))));

    [TestMethod]
    public void NothingIsLeftOfAFitThatFailsInTraining() => LeavesNothing(() =>
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(() => Estimator(learningRate: 1e30).Fit(Review.Load(_context))).Message, "learning rate"));

    [TestMethod]
    public void NothingIsLeftOfAnEstimate() => LeavesNothing(() => Estimator().Estimate(Review.Load(_context)));

    private static void LeavesNothing(Action fit)
    {
        using (inference_mode())
        {
            long before = LiveTensors.Settled();
            fit();
            Assert.AreEqual(before, LiveTensors.Settled(), "live tensors");
            Assert.IsTrue(is_inference_mode_enabled(), "the caller's mode");
        }
    }

    private FullFineTune Estimator(double learningRate = 1e-3) => _context.Peft().FullFineTune(new FullFineTune.Options
    {
        BaseModel = _bert.Folder,
        Task = PeftTask.TextClassification(),
        ValidationSet = Review.Load(_context),
        Training = new TrainingOptions { MaxEpochs = 2, BatchSize = 4, LearningRate = learningRate },
    });

    private sealed class Recorder(List<int> gone, int number) : IDisposable
    {
        public void Dispose() => gone.Add(number);
    }
}
