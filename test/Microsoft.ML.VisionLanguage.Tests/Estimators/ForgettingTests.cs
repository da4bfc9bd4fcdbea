using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.VisionLanguage.Tests.Estimators;

/// <summary>What a fit costs beside its own task, and how much of it is kept.</summary>
[TestClass]
public sealed class ForgettingTests
{
    private readonly MLContext _context = new(seed: 1);
    private readonly TinyClip _clip = new();
    private readonly string _folder = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
    private readonly List<string> _warnings = [], _lines = [];

    public ForgettingTests() => _context.Log += (_, e) =>
    {
        _lines.Add(e.Message);
        if (e.Kind == Microsoft.ML.Runtime.ChannelMessageKind.Warning)
            _warnings.Add(e.Message);
    };

    [TestCleanup]
    public void Delete()
    {
        _clip.Dispose();
        if (Directory.Exists(_folder))
            Directory.Delete(_folder, recursive: true);
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void TheShareIsTheBestOfBoth(bool lora)
    {
        ClipFineTune.Options options = Options(lora);
        (options.WiseFt, options.ZeroShot) = (new WiseFtOptions { Shares = [1, 0.5, 0, 0.25], ZeroShotWeight = 0.3 }, Check());
        using PeftTransformer model = Fit(options);
        ForgettingReport report = model.Training!.Forgetting!;
        CollectionAssert.AreEqual(new[] { 1, 0.5, 0, 0.25 }, report.Trials.Select(trial => trial.Share).ToArray());
        double Worth(InterpolationTrial trial) =>
            (0.7 * (trial.Validation[TrainingMetrics.ImageToTextRecall] + trial.Validation[TrainingMetrics.TextToImageRecall]) / 2) + (0.3 * trial.ZeroShot!.Value);
        double best = report.Trials.Max(Worth);
        Assert.AreEqual(report.Trials.Where(trial => Worth(trial) == best).Min(trial => trial.Share), report.Share);
        Assert.AreEqual(report.ZeroShotBefore, report.Trials.Single(trial => trial.Share == 0).ZeroShot);
        Assert.AreEqual(report.ZeroShotAfter, report.Trials.Single(trial => trial.Share == report.Share).ZeroShot);
        Assert.AreEqual(ZeroShotAccuracy(model), report.ZeroShotAfter!.Value, 1e-9);
        Assert.IsTrue(_lines.Any(line => line.Contains(report.ToString(), StringComparison.Ordinal)));
        Assert.IsFalse(_warnings.Any(line => line.Contains("Forgetting", StringComparison.Ordinal)));
    }

    [TestMethod]
    [DataRow(true, 0.0)]
    [DataRow(false, 0.0)]
    [DataRow(true, 1.0)]
    [DataRow(false, 1.0)]
    public void AShareOfNothingIsTheBaseAndOneOfAllTheEnd(bool lora, double share)
    {
        ClipFineTune.Options options = Options(lora), other = Options(lora);
        options.WiseFt = new WiseFtOptions { Shares = [share] };
        // So small a rate moves nothing.
        if (share == 0)
            (other.Training.LearningRate, other.Training.WeightDecay) = (1e-30, 0);
        using PeftTransformer model = Fit(options), expected = Fit(other);
        Assert.AreEqual(share, model.Training!.Forgetting!.Share);
        foreach (string column in new[] { "ImageEmbedding", "TextEmbedding", "Score" })
            Table.AreClose(Table.Read(expected.Transform(Rows()), column), Table.Read(model.Transform(Rows()), column), 0, column);
    }

    [TestMethod]
    public void WithoutAZeroShotTaskItIsNotMeasuredAndSaidSo()
    {
        using PeftTransformer model = Fit(Options(lora: true));
        ForgettingReport report = model.Training!.Forgetting!;
        Assert.AreEqual((1.0, null, null, 0), (report.Share, report.ZeroShotBefore, report.ZeroShotAfter, report.Trials.Count));
        Assert.AreEqual(1, _warnings.Count(line => line.Contains("Forgetting is not measured", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void AZeroShotTaskIsMeasuredWithoutGoingBack()
    {
        ClipFineTune.Options options = Options(lora: true);
        (options.ZeroShot, options.ValidationSet) = (Check(), null);
        using PeftTransformer model = Fit(options);
        ForgettingReport report = model.Training!.Forgetting!;
        Assert.AreEqual(1, report.Share);
        Assert.AreEqual(ZeroShotAccuracy(model), report.ZeroShotAfter!.Value, 1e-9);
        Assert.IsNotNull(report.ZeroShotBefore);
    }

    [TestMethod]
    public void AKilledRunGoesBackToTheSameBits()
    {
        ClipFineTune.Options Make(string? folder, int? stopAt)
        {
            ClipFineTune.Options options = Options(lora: false);
            var stop = new CancellationTokenSource();
            options.WiseFt = new WiseFtOptions { Shares = [0.5] };
            options.Training.CheckpointFolder = folder;
            options.Training.CancellationToken = stop.Token;
            options.Training.Progress = new Callback(progress =>
            {
                if (progress.Step == stopAt)
                    stop.Cancel();
            });
            return options;
        }
        using PeftTransformer whole = Fit(Make(null, null));
        Assert.Throws<OperationCanceledException>(() => Fit(Make(_folder, 3)));
        using PeftTransformer resumed = Fit(Make(_folder, null));
        foreach (string column in new[] { "ImageEmbedding", "TextEmbedding" })
            Table.AreClose(Table.Read(whole.Transform(Rows()), column), Table.Read(resumed.Transform(Rows()), column), 0, column);
    }

    [TestMethod]
    public void WhatCannotBeIsRefused()
    {
        void Refused(string expected, Action<ClipFineTune.Options> change)
        {
            ClipFineTune.Options options = Options(lora: true);
            change(options);
            Assert.Contains(expected, Assert.Throws<ArgumentException>(() => _context.VisionLanguage().ClipFineTune(options)).Message);
        }
        Refused("ValidationSet", options => (options.WiseFt, options.ValidationSet) = (new(), null));
        Refused("from 0 to 1", options => options.WiseFt = new() { Shares = [0, 1.5] });
        Refused("from 0 to 1", options => options.WiseFt = new() { Shares = [] });
        Refused("ZeroShotWeight", options => options.WiseFt = new() { ZeroShotWeight = double.NaN });
        Refused("Data", options => options.ZeroShot = new());
        Refused("'Class'", options => options.ZeroShot = new() { Data = Check().Data, LabelColumnName = "Class" });
        Refused("'Picture'", options => options.ZeroShot = new() { Data = Check().Data, ImageColumnName = "Picture" });
        Refused("{}", options => options.ZeroShot = new() { Data = Check().Data, Templates = ["a square"] });
    }

    private ClipFineTune.Options Options(bool lora) => new()
    {
        BaseModel = _clip.Folder,
        Adapter = lora ? new LoraOptions { Rank = 4 } : null,
        ValidationSet = Rows(),
        Training = new TrainingOptions { MaxEpochs = 4, BatchSize = 6, LearningRate = lora ? 1e-2 : 2e-3 },
    };

    private PeftTransformer Fit(ClipFineTune.Options options) => (PeftTransformer)_context.VisionLanguage().ClipFineTune(options).Fit(Rows());

    private IDataView Rows() => _context.Data.LoadFromEnumerable(PictureRow.Some(12));

    private ZeroShotCheck Check() => new()
    {
        Data = _context.Data.LoadFromEnumerable(PictureRow.Some(18).Select(row => new Labelled { Image = row.Image, Label = ColourOf(row) })),
        Templates = ["a {} square", "{label} stripes"],
    };

    // As a user would: from vectors of single texts and pictures.
    private double ZeroShotAccuracy(PeftTransformer model)
    {
        PictureRow[] pictures = [.. PictureRow.Some(18)];
        string[] labels = [.. pictures.Select(ColourOf).Distinct()];
        float[][] classes = [.. labels.Select(label => Mean([.. new[] { $"a {label} square", $"{label} stripes" }.Select(text => Vector(model, new() { Image = pictures[0].Image, Text = text }, "TextEmbedding"))]))];
        return pictures.Average(row =>
        {
            float[] picture = Vector(model, new() { Image = row.Image, Text = "red" }, "ImageEmbedding");
            int nearest = Enumerable.Range(0, labels.Length).MaxBy(i => classes[i].Zip(picture, (l, r) => l * r).Sum());
            return labels[nearest] == ColourOf(row) ? 1.0 : 0;
        });
    }

    private float[] Vector(PeftTransformer model, PictureRow row, string column) => model.Transform(_context.Data.LoadFromEnumerable([row])).GetColumn<float[]>(column).Single();

    private static float[] Mean(float[][] vectors)
    {
        float[] sum = [.. Enumerable.Range(0, vectors[0].Length).Select(i => vectors.Sum(vector => vector[i]))];
        float length = MathF.Sqrt(sum.Sum(value => value * value));
        return [.. sum.Select(value => value / length)];
    }

    private static string ColourOf(PictureRow row) => row.Text.Split(' ')[^2];

    private sealed class Labelled
    {
        public byte[] Image { get; set; } = [];

        public string Label { get; set; } = "";
    }

    private sealed class Callback(Action<TrainingProgress> action) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => action(value);
    }
}
