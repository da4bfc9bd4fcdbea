using System.Reflection;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Estimators;

[TestClass]
public sealed class FineTuningTests
{
    private readonly MLContext _context = TestDevice.NewContext(seed: 1);
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
    public void WhatStartedFromScratchBecomesAFolder()
    {
        string folder = Path.Combine(_bert.Folder, "pretrained");
        var options = new FullFineTune.Options
        {
            BaseModel = _bert.Folder,
            StartFromScratch = true,
            Task = PeftTask.TextClassification(),
            Training = new TrainingOptions { MaxEpochs = 2, LearningRate = 1e-3 },
        };
        IDataView rows = Review.Load(_context);
        using PeftTransformer model = _context.Peft().FullFineTune(options).Fit(rows);
        model.SaveMergedModel(folder);
        // Nothing trains in so small a step: the folder's weights answer, head included.
        using PeftTransformer again = _context.Peft().LinearProbe(new LinearProbe.Options
        {
            BaseModel = folder, Task = PeftTask.TextClassification(), Training = new TrainingOptions { MaxSteps = 1, LearningRate = 1e-12 },
        }).Fit(rows);
        Table.AreClose(Table.Read(model.Transform(rows), "Score"), Table.Read(again.Transform(rows), "Score"), 1e-5, "scores");
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
    public void ACachedPipelineGivesTheSameModel()
    {
        IDataView rows = _context.Data.LoadFromEnumerable(Review.Make(24));
        var keys = _context.Transforms.Conversion.MapValueToKey("Label");
        ITransformer cached = keys.AppendCacheCheckpoint(_context).Append(Lora()).Fit(rows), plain = keys.Append(Lora()).Fit(rows);
        Table.AreClose(Table.Read(plain.Transform(rows), "Score"), Table.Read(cached.Transform(rows), "Score"), 0, "scores");
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

    /// <summary>As ML.NET's own AutoML stops a context: by a method that is not public.</summary>
    [TestMethod]
    public void ACancelledContextKeepsTheBestModel()
    {
        MethodInfo cancel = typeof(MLContext).GetMethod("CancelExecution", BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public)!;
        StopsAndKeepsTheBest((context, _) => cancel.Invoke(context, null));
    }

    [TestMethod]
    public void ACancelledTokenKeepsTheBestModel() => StopsAndKeepsTheBest((_, source) => source.Cancel());

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

    /// <summary>Cancelled in the third epoch: the fit ends with that step or the next, with the weights of the best evaluation.</summary>
    private static void StopsAndKeepsTheBest(Action<MLContext, CancellationTokenSource> cancel)
    {
        const int CancelAt = 15;
        using var bert = new TinyBert();
        using var source = new CancellationTokenSource();
        var context = TestDevice.NewContext(seed: 1);
        IDataView data = Review.Load(context);
        var seen = new List<TrainingProgress>();
        using PeftTransformer stopped = Fit(10, new Training.TinyRun.Callback(progress =>
        {
            seen.Add(progress);
            if (progress.Step == CancelAt)
                cancel(context, source);
        }), source.Token);
        Assert.IsInRange(CancelAt, CancelAt + 1, seen[^1].Step);
        Assert.AreEqual(TrainingEnd.Cancelled, stopped.Training!.End);
        Assert.AreEqual(seen[^1].Step, stopped.Training.Steps);
        int best = seen.Where(p => p.Validation is not null).MinBy(p => p.Validation!["Loss"]).Step;
        // As it was at that evaluation, in a run that nobody stopped.
        context = TestDevice.NewContext(seed: 1);
        using PeftTransformer expected = Fit(10, new Training.TinyRun.Callback(_ => { }), default, best);
        Table.AreClose(Table.Read(expected.Transform(data), "Score"), Table.Read(stopped.Transform(data), "Score"), 0, "scores");

        PeftTransformer Fit(int epochs, IProgress<TrainingProgress> progress, CancellationToken token, int? steps = null) =>
            context.Peft().Lora(new LoraFineTune.Options
            {
                BaseModel = bert.Folder,
                Task = PeftTask.TextClassification(),
                ValidationSet = data,
                Training = new TrainingOptions
                {
                    MaxEpochs = epochs, MaxSteps = steps, BatchSize = 8, LearningRate = 1e-2, WarmupSteps = 0,
                    Schedule = LearningRateSchedule.Constant, Progress = progress, CancellationToken = token, ReturnBestWhenCancelled = true,
                },
            }).Fit(data);
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
