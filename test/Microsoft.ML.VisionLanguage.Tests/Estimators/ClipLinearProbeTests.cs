using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.VisionLanguage.Tests.Estimators;

[TestClass]
public sealed class ClipLinearProbeContract : TinyClipContract
{
    protected override IReadOnlyList<string> InputColumns => ["Image"];

    protected override IEstimator<ITransformer> CreateEstimator() => Context.VisionLanguage().ClipLinearProbe(Folder, c: 10);

    protected override IDataView CreateData() => Labelled.Pictures(Context, 13);
}

[TestClass]
public sealed class ClipLinearProbeTests
{
    private readonly MLContext _context = new(seed: 1);
    private readonly TinyClip _clip = new();

    [TestCleanup]
    public void Delete() => _clip.Dispose();

    [TestMethod]
    public void PicturesAreToldApartAndEvaluated()
    {
        IDataView data = Labelled.Pictures(_context, 60);
        ITransformer model = _context.VisionLanguage().ClipLinearProbe(_clip.Folder).Fit(data);
        using var _ = (IDisposable)model;
        IDataView scored = model.Transform(data);
        MulticlassClassificationMetrics metrics = _context.MulticlassClassification.Evaluate(scored);
        Assert.IsGreaterThan(0.9, metrics.MicroAccuracy);
        VBuffer<ReadOnlyMemory<char>> slots = default, labels = default;
        scored.Schema["Score"].GetSlotNames(ref slots);
        data.Schema["Label"].GetKeyValues(ref labels);
        CollectionAssert.AreEqual(labels.DenseValues().Select(label => label.ToString()).ToArray(), slots.DenseValues().Select(slot => slot.ToString()).ToArray());
        foreach (float[] scores in scored.GetColumn<float[]>("Score"))
            Assert.AreEqual(1, scores.Sum(), 1e-5);
    }

    [TestMethod]
    public void AnEngineSaysLabelsByTheirValues()
    {
        IDataView data = _context.Data.LoadFromEnumerable(Labelled.Rows(30));
        IEstimator<ITransformer> pipeline = _context.Transforms.Conversion.MapValueToKey("Label", "Colour")
            .Append(_context.VisionLanguage().ClipLinearProbe(_clip.Folder, c: 100))
            .Append(_context.Transforms.Conversion.MapKeyToValue("PredictedLabel"));
        ITransformer model = pipeline.Fit(data);
        using PredictionEngine<Labelled.Row, Answer> engine = _context.Model.CreatePredictionEngine<Labelled.Row, Answer>(model, data.Schema);
        int right = Labelled.Rows(6).Count(row => engine.Predict(row).PredictedLabel == row.Colour);
        Assert.IsGreaterThanOrEqualTo(5, right);
    }

    [TestMethod]
    public void FoldsAreCrossValidated()
    {
        var folds = _context.MulticlassClassification.CrossValidate(Labelled.Pictures(_context, 40), _context.VisionLanguage().ClipLinearProbe(_clip.Folder, c: 10), numberOfFolds: 2);
        Assert.HasCount(2, folds);
        Assert.IsGreaterThan(0.5, folds.Average(fold => fold.Metrics.MicroAccuracy));
        foreach (var fold in folds)
            (fold.Model as IDisposable)?.Dispose();
    }

    [TestMethod]
    public void AGivenValidationSetIsNotTrainedOn()
    {
        IDataView data = Labelled.Pictures(_context, 24);
        var log = new List<string>();
        _context.Log += (_, message) => log.Add(message.Message);
        using var model = (IDisposable)_context.VisionLanguage().ClipLinearProbe(_clip.Folder, validationSet: Labelled.Pictures(_context, 12)).Fit(data);
        Assert.IsEmpty(log.Where(message => message.Contains("held out", StringComparison.Ordinal)));
        using var split = (IDisposable)_context.VisionLanguage().ClipLinearProbe(_clip.Folder).Fit(data);
        Assert.IsNotEmpty(log.Where(message => message.Contains("C is chosen by 6 of 24 rows", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void TheSameSeedGivesTheSameModel()
    {
        IDataView data = Labelled.Pictures(_context, 24);
        float[][] Scores()
        {
            ITransformer model = new MLContext(seed: 7).VisionLanguage().ClipLinearProbe(_clip.Folder).Fit(data);
            using var _ = (IDisposable)model;
            return [.. model.Transform(data).GetColumn<float[]>("Score")];
        }
        float[][] first = Scores(), second = Scores();
        for (int i = 0; i < first.Length; i++)
            CollectionAssert.AreEqual(first[i], second[i]);
    }

    [TestMethod]
    public void ClassesOfOneRowNeedC()
    {
        IDataView data = Labelled.Pictures(_context, 3);
        Assert.Contains("C itself", Assert.ThrowsExactly<InvalidOperationException>(() => _context.VisionLanguage().ClipLinearProbe(_clip.Folder).Fit(data)).Message);
    }

    [TestMethod]
    [DataRow(0.0)]
    [DataRow(-1.0)]
    [DataRow(double.NaN)]
    public void AStrengthThatIsNoneIsRefused(double c) => Assert.Contains(
        "C must be", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => _context.VisionLanguage().ClipLinearProbe(_clip.Folder, c: c)).Message);

    [TestMethod]
    public void WhatAFitTakesIsEstimated()
    {
        TrainingEstimate few = Estimate(12), many = Estimate(48);
        // Three classes and their biases, in doubles.
        Assert.AreEqual(3 * (TinyClip.Width + 1) * sizeof(double), few.TrainableBytes);
        Assert.AreEqual(few.MappedBytes, new FileInfo(Path.Combine(_clip.Folder, "model.safetensors")).Length);
        Assert.IsGreaterThan(few.MappedBytes, few.PeakMemoryBytes);
        Assert.IsGreaterThan(few.ActivationBytes, many.ActivationBytes);
        Assert.IsGreaterThan(TimeSpan.Zero, many.TimePerEpoch);

        TrainingEstimate Estimate(int rows) => ((ClipLinearProbe)_context.VisionLanguage().ClipLinearProbe(_clip.Folder, c: 1)).Estimate(Labelled.Pictures(_context, rows));
    }

    [TestMethod]
    public void SettingsOfTextsAreRefusedByName()
    {
        VisionLanguageCatalog catalog = _context.VisionLanguage();
        foreach (var (name, refused) in new (string, Action)[]
        {
            (nameof(ModelOptions.TokenizerFolder), () => catalog.ClipLinearProbe(new ClipLinearProbe.Options { BaseModel = _clip.Folder, TokenizerFolder = _clip.Folder })),
            (nameof(ModelOptions.MaxLength), () => catalog.ClipImageEmbedder(new ClipImageEmbedder.Options { BaseModel = _clip.Folder, MaxLength = 5 })),
            (nameof(ModelOptions.TokenizerFolder), () => catalog.ClipRetriever(new ClipRetriever.Options
            {
                BaseModel = _clip.Folder, TokenizerFolder = _clip.Folder, Gallery = ClipModality.Image, Query = ClipModality.Image,
            })),
        })
            Assert.Contains(name, Assert.ThrowsExactly<ArgumentException>(refused).Message);
    }

    [TestMethod]
    public void CancellationEndsTheFit()
    {
        using var source = new CancellationTokenSource();
        source.Cancel();
        Assert.Throws<OperationCanceledException>(() => _context.VisionLanguage().ClipLinearProbe(new ClipLinearProbe.Options
        {
            BaseModel = _clip.Folder, C = 1, CancellationToken = source.Token,
        }).Fit(Labelled.Pictures(_context, 6)));
    }

    private sealed class Answer
    {
        public string PredictedLabel { get; set; } = "";
    }
}

/// <summary>Pictures with their colours as labels.</summary>
internal static class Labelled
{
    public static IDataView Pictures(MLContext context, int count)
    {
        IDataView rows = context.Data.LoadFromEnumerable(Rows(count));
        return context.Transforms.Conversion.MapValueToKey("Label", "Colour").Fit(rows).Transform(rows);
    }

    public static IEnumerable<Row> Rows(int count) => PictureRow.Some(count).Select(row => new Row { Image = row.Image, Colour = row.Text.Split(' ')[^2], Number = row.Number });

    public sealed class Row
    {
        public byte[] Image { get; set; } = [];

        public string Colour { get; set; } = "";

        public float Number { get; set; }
    }
}
