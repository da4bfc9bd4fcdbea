using Microsoft.ML.Data;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Estimators;

[TestClass]
public sealed class FineTuningTests
{
    private readonly MLContext _context = new(seed: 1);
    private readonly TinyBert _bert = new();
    private readonly List<string> _log = [];

    [TestInitialize]
    public void Listen() => _context.Log += (_, message) => _log.Add(message.Message);

    [TestCleanup]
    public void DeleteModel() => _bert.Dispose();

    [TestMethod]
    public void APipelineLearnsAndIsEvaluated()
    {
        var pipeline = _context.Transforms.Conversion.MapValueToKey("Label")
            .Append(_context.MulticlassClassification.Trainers.LoraTextClassification(_bert.Folder, batchSize: 8, maxEpochs: 15, learningRate: 2e-2))
            .Append(_context.Transforms.Conversion.MapKeyToValue("PredictedText", "PredictedLabel"));
        IDataView rows = _context.Data.LoadFromEnumerable(Review.Make(64));
        MulticlassClassificationMetrics metrics = _context.MulticlassClassification.Evaluate(pipeline.Fit(rows).Transform(rows));
        Assert.IsGreaterThan(0.9, metrics.MicroAccuracy, string.Join(Environment.NewLine, _log));
        Assert.Contains(line => line.Contains("loss", StringComparison.Ordinal), _log);
        Assert.Contains(line => line.Contains("Device: cpu", StringComparison.OrdinalIgnoreCase), _log);
    }

    [TestMethod]
    public void AModelStartsFromScratchWithoutWeights()
    {
        foreach (string weights in Directory.GetFiles(_bert.Folder, "*.safetensors"))
            File.Delete(weights);
        using PeftTransformer model = _context.Peft().FullFineTune(new FullFineTune.Options
        {
            BaseModel = _bert.Folder,
            StartFromScratch = true,
            Task = PeftTask.TextClassification(),
            Training = new TrainingOptions { MaxEpochs = 1 },
        }).Fit(Review.Load(_context));
        Assert.AreEqual(model.Weights, model.TrainedWeights);
    }

    [TestMethod]
    public void FoldsAreCrossValidated()
    {
        var folds = _context.MulticlassClassification.CrossValidate(Review.Load(_context), Lora(), numberOfFolds: 2);
        Assert.HasCount(2, folds);
        foreach (var fold in folds)
            Assert.IsFalse(double.IsNaN(fold.Metrics.LogLoss));
    }

    [TestMethod]
    public void RowsWithoutLabelAreSkippedWithAWarning()
    {
        IReadOnlyList<Review> rows = [.. Review.Make(8), new Review { Text = "good film", Label = "" }];
        IDataView data = Keyed(rows);
        using PeftTransformer model = Lora().Fit(data);
        Assert.Contains(line => line.Contains("1 rows", StringComparison.Ordinal) && line.Contains("'Label'", StringComparison.Ordinal), _log);
    }

    [TestMethod]
    public void LongTextsAreCutWithAWarning()
    {
        using PeftTransformer model = _context.Peft().Lora(new LoraFineTune.Options
        {
            BaseModel = _bert.Folder,
            Task = PeftTask.TextClassification(),
            MaxLength = 4,
            Training = new TrainingOptions { MaxEpochs = 1 },
        }).Fit(Review.Load(_context));
        Assert.Contains(line => line.Contains("longer than 4 tokens", StringComparison.Ordinal), _log);
    }

    [TestMethod]
    public void OneClassIsRefused()
    {
        IDataView data = Keyed([.. Review.Make(8).Where(r => r.Label == "positive")]);
        Assert.Contains("'Label'", Assert.ThrowsExactly<InvalidOperationException>(() => Lora().Fit(data)).Message);
    }

    [TestMethod]
    public void NoRowsAreRefused()
    {
        IDataView data = _context.Data.FilterRowsByColumn(Review.Load(_context), "Number", lowerBound: 1000);
        Assert.Contains("'Label'", Assert.ThrowsExactly<InvalidOperationException>(() => Lora().Fit(data)).Message);
    }

    [TestMethod]
    public void AMissingGpuIsAnErrorThatNamesIt()
    {
        _context.GpuDeviceId = 77;
        _context.FallbackToCpu = false;
        Assert.Contains("77", Assert.ThrowsExactly<InvalidOperationException>(() => Lora().Fit(Review.Load(_context))).Message);
    }

    [TestMethod]
    public void AMissingGpuFallsBackWithAWarning()
    {
        _context.GpuDeviceId = 77;
        _context.FallbackToCpu = true;
        using PeftTransformer model = Lora().Fit(Review.Load(_context));
        Assert.Contains(line => line.Contains("77", StringComparison.Ordinal) && line.Contains("Kind=Warning", StringComparison.Ordinal), _log);
    }

    [TestMethod]
    public void ACancelledFitStops()
    {
        var options = new LoraFineTune.Options
        {
            BaseModel = _bert.Folder,
            Task = PeftTask.TextClassification(),
            Training = new TrainingOptions { CancellationToken = new CancellationToken(canceled: true) },
        };
        Assert.Throws<OperationCanceledException>(() => _context.Peft().Lora(options).Fit(Review.Load(_context)));
    }

    [TestMethod]
    public void OptionsAreCheckedWhenTheEstimatorIsMade()
    {
        PeftTask task = PeftTask.TextClassification();
        Assert.Throws<ArgumentException>(() => _context.Peft().Lora("", task));
        Assert.Throws<ArgumentException>(() => _context.Peft().Lora(_bert.Folder, null!));
        Assert.Throws<ArgumentException>(() => _context.Peft().Lora(_bert.Folder, task, rank: 0));
        Assert.Throws<ArgumentException>(() => _context.Peft().Lora(_bert.Folder, task, maxEpochs: 0));
        Assert.Throws<ArgumentException>(() => _context.Peft().Embed(_bert.Folder, batchSize: 0));
    }

    private LoraFineTune Lora() => _context.Peft().Lora(_bert.Folder, PeftTask.TextClassification(), maxEpochs: 1);

    private IDataView Keyed(IEnumerable<Review> rows)
    {
        IDataView data = _context.Data.LoadFromEnumerable(rows);
        return _context.Transforms.Conversion.MapValueToKey("Label", keyData: Keys()).Fit(data).Transform(data);
    }

    private IDataView Keys() => _context.Data.LoadFromEnumerable(Review.Make(2).Select(r => new Key { Label = r.Label }));

    private sealed class Key
    {
        public string Label { get; set; } = "";
    }
}
