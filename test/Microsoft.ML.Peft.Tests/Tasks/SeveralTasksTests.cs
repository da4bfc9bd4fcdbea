using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Training.Estimates;

namespace Microsoft.ML.Peft.Tests.Tasks;

/// <summary>Two tasks over one model and one adapter: whether a review is good, and which of its words say what.</summary>
[TestClass]
public sealed class SeveralTasksTests
{
    private const string Mood = "mood", Words = "words";

    private static readonly string[] s_kinds = ["thing", "quality", "other"];

    private readonly MLContext _context = TestDevice.NewContext(seed: 1);
    private readonly TinyBert _bert = new();

    [TestCleanup]
    public void DeleteModel() => _bert.Dispose();

    [TestMethod]
    public void BothAreLearntThroughOneAdapter()
    {
        IDataView data = Load(60);
        using PeftTransformer model = Fit(data, epochs: 40);
        IDataView all = model.Transform(data);
        Assert.IsGreaterThan(0.95, _context.MulticlassClassification.Evaluate(all, "MoodKey", "MoodScore", "PredictedMood").MicroAccuracy);
        Assert.IsGreaterThan(0.95, WordAccuracy(all));
    }

    /// <summary>A decoder reads a text at its last token and a word at its last piece (here each byte is one): rows of any length, in one batch as alone.</summary>
    [TestMethod]
    [DataRow("llama"), DataRow("gpt2"), DataRow("opt")]
    public void DecodersLearnBoth(string modelType)
    {
        using var decoder = new TinyDecoder(modelType);
        IDataView data = Load(40);
        using PeftTransformer model = _context.Peft().FullFineTune(new FullFineTune.Options
        {
            BaseModel = decoder.Folder, Task = Both(), Training = new TrainingOptions { MaxEpochs = 16, BatchSize = 8, LearningRate = 5e-3 },
        }).Fit(data);
        IDataView all = model.Transform(data);
        Assert.IsGreaterThan(0.95, _context.MulticlassClassification.Evaluate(all, "MoodKey", "MoodScore", "PredictedMood").MicroAccuracy);
        Assert.IsGreaterThan(0.95, WordAccuracy(all));
        Answer[] together = Answers(model.Transform(WithoutTask(data)));
        using var engine = _context.Model.CreatePredictionEngine<Row, Answer>(model);
        Row[] rows = [.. _context.Data.CreateEnumerable<Row>(data, reuseRowObject: false, ignoreMissingColumns: true).Take(4)];
        for (int i = 0; i < rows.Length; i++)
        {
            Answer alone = engine.Predict(new Row { Text = rows[i].Text });
            CollectionAssert.AreEqual(together[i].MoodScore, alone.MoodScore, new Within(1e-4f), $"row {i}");
            CollectionAssert.AreEqual(together[i].KindScore, alone.KindScore, new Within(1e-4f), $"row {i}");
        }
    }

    [TestMethod]
    public void ARowThatNamesItsTaskHasNoOtherAnswer()
    {
        IDataView data = Load(8);
        using PeftTransformer model = Fit(data, epochs: 1);
        Answer[] named = Answers(model.Transform(data)), open = Answers(model.Transform(WithoutTask(data)));
        for (int i = 0; i < named.Length; i++)
        {
            bool isMood = i % 2 == 0;
            Assert.AreEqual(isMood, named[i].PredictedMood != 0, $"row {i}");
            Assert.AreEqual(isMood, !named[i].MoodScore.Any(float.IsNaN), $"row {i}");
            Assert.HasCount(2, named[i].MoodScore);
            Assert.AreEqual(isMood, named[i].PredictedKinds.Length == 0, $"row {i}");
            Assert.AreNotEqual(0u, open[i].PredictedMood);
            Assert.AreNotEqual(0, open[i].PredictedKinds.Length);
            CollectionAssert.AreEqual(isMood ? named[i].MoodScore : named[i].KindScore, isMood ? open[i].MoodScore : open[i].KindScore, new Within(1e-5f), $"row {i}");
        }
    }

    [TestMethod]
    public void OneInputServesEveryHead()
    {
        IDataView data = WithoutTask(Load(8));
        using PeftTransformer model = Fit(Load(8), epochs: 1);
        TaskRuntime task = model.Scorer.Task;
        using RowSet read = RowSet.Read(data, task.InputColumns(data.Schema), row => task.CreateReader(row, withLabels: false), () => { });
        Assert.HasCount(8, read.Examples);
    }

    [TestMethod]
    public void SavedAndLoadedItAnswersTheSame()
    {
        IDataView data = Load(8);
        using PeftTransformer model = Fit(data, epochs: 1);
        using var file = new MemoryStream();
        _context.Model.Save(model, data.Schema, file);
        file.Position = 0;
        ITransformer loaded = TestDevice.NewContext().Model.Load(file, out _);
        foreach (string column in new[] { "PredictedMood", "MoodScore", "PredictedKinds", "KindScore", "Spans" })
            Table.AreClose(Table.Read(model.Transform(WithoutTask(data)), column), Table.Read(loaded.Transform(WithoutTask(data)), column), 0, column);
        using var engine = _context.Model.CreatePredictionEngine<Row, Answer>(loaded);
        Assert.AreNotEqual(0u, engine.Predict(new Row { Text = "good film", Task = Mood }).PredictedMood);
        Assert.AreEqual(0u, engine.Predict(new Row { Text = "good film", Task = Words }).PredictedMood);
    }

    [TestMethod]
    public void ShortRowsOfTheEstimateKeepALabelForEachPosition()
    {
        IDataView data = Load(24);
        using PeftTransformer model = Fit(data, epochs: 1);
        TaskRuntime task = model.Scorer.Task;
        using RowSet read = RowSet.Read(data, [.. task.InputColumns(data.Schema), .. task.LabelColumns], row => task.CreateReader(row, withLabels: true), () => { });
        Example[] words = [.. read.Examples.Where(row => task.GroupOf(row) == 1).OrderByDescending(row => row.Length)];
        for (int length = 2; length < words[0].Length; length++)
        {
            foreach (Example row in ShortRows.Of(words, words.Length, length))
                Assert.AreEqual(row.ReadPositions.Length, row.Labels.Length, $"{length} tokens");
        }
    }

    [TestMethod]
    public void ABatchHoldsOneTaskInProportionToItsRows()
    {
        IDataView data = Load(60, moodEvery: 3);
        using PeftTransformer model = Fit(data, epochs: 1);
        TaskRuntime task = model.Scorer.Task;
        using RowSet read = RowSet.Read(data, [.. task.InputColumns(data.Schema), .. task.LabelColumns], row => task.CreateReader(row, withLabels: true), () => { });
        int[] groups = [.. read.Examples.Select(task.GroupOf)];
        var plan = new TrainingPlan(new TrainingSettings(new() { BatchSize = 8 }, new TrainingDefaults(LearningRate: 1e-3)), read.Examples, seed: 5, task);
        int[][][] epoch = [.. plan.Epoch(0)], next = [.. plan.Epoch(1)];
        Assert.HasCount(plan.StepsPerEpoch, epoch);
        int[] rows = [.. epoch.SelectMany(step => step).SelectMany(part => part)];
        CollectionAssert.AreEqual(Enumerable.Range(0, 60).ToArray(), rows.Order().ToArray());
        Assert.IsTrue(epoch.All(step => step.SelectMany(part => part).Select(row => groups[row]).Distinct().Count() == 1));
        int[] order = [.. epoch.Select(step => groups[step[0][0]])];
        Assert.AreEqual(3, order.Count(group => group == 0));
        Assert.AreEqual(5, order.Count(group => group == 1));
        CollectionAssert.AreNotEqual(epoch.Select(step => step[0][0]).ToArray(), next.Select(step => step[0][0]).ToArray());
        Assert.AreEqual(string.Join(' ', rows), string.Join(' ', new TrainingPlan(
            new TrainingSettings(new() { BatchSize = 8 }, new TrainingDefaults(LearningRate: 1e-3)), read.Examples, seed: 5, task).Epoch(0).SelectMany(step => step).SelectMany(part => part)));
    }

    [TestMethod]
    public void EachTaskIsMeasuredByItself()
    {
        IDataView data = Load(24);
        using PeftTransformer model = _context.Peft().Lora(Options(data, epochs: 1, validation: data)).Fit(data);
        foreach (string name in new[] { "mood.Accuracy", "words.Accuracy", "mood.MacroF1", TrainingMetrics.Loss })
            Assert.IsTrue(model.Training!.BestMetrics!.ContainsKey(name), name);
    }

    [TestMethod]
    public void ATaskOfOneLabelIsNamed()
    {
        IDataView data = _context.Data.FilterRowsByColumn(Load(24), "Number", upperBound: 1);
        Assert.Contains("'MoodKey'", Assert.ThrowsExactly<InvalidOperationException>(() => Fit(data, epochs: 1)).Message);
    }

    [TestMethod]
    public void AnUnknownTaskIsNamedWithItsRow()
    {
        IDataView data = Load(8);
        using PeftTransformer model = Fit(data, epochs: 1);
        IDataView other = _context.Data.LoadFromEnumerable([new Row { Text = "good film", Task = "length" }]);
        string message = Assert.ThrowsExactly<InvalidOperationException>(() => Table.Read(model.Transform(other), "MoodScore")).Message;
        Assert.Contains("Row 0", message);
        Assert.Contains("'length'", message);
        Assert.Contains(Mood, message);
    }

    [TestMethod]
    public void TasksThatCannotShareAreRefused()
    {
        PeftTask mood = PeftTask.TextClassification();
        Assert.Contains("Two tasks", Assert.ThrowsExactly<ArgumentException>(() => PeftTask.Several(new Dictionary<string, PeftTask> { [Mood] = mood })).Message);
        Assert.Contains("'a.b'", Assert.ThrowsExactly<ArgumentException>(
            () => PeftTask.Several(new Dictionary<string, PeftTask> { [Mood] = mood, ["a.b"] = mood })).Message);
        Assert.Contains("'text'", Assert.ThrowsExactly<ArgumentException>(
            () => PeftTask.Several(new Dictionary<string, PeftTask> { [Mood] = mood, ["text"] = PeftTask.TextGeneration() })).Message);
        // Both write 'PredictedLabel'.
        PeftTask same = PeftTask.Several(new Dictionary<string, PeftTask> { [Mood] = mood, ["more"] = mood });
        Assert.Contains("'PredictedLabel'", Assert.ThrowsExactly<ArgumentException>(() => _context.Peft().Lora(_bert.Folder, same)).Message);
    }

    [TestMethod]
    public void NoFolderHoldsSeveralTasks()
    {
        using PeftTransformer model = Fit(Load(8), epochs: 1);
        string folder = Path.Combine(Path.GetTempPath(), Guid.NewGuid().ToString("n"));
        Assert.Contains("mood, words", Assert.ThrowsExactly<NotSupportedException>(() => model.SaveAdapter(folder)).Message);
        Assert.Contains("mood, words", Assert.ThrowsExactly<NotSupportedException>(() => model.SaveMergedModel(folder)).Message);
        Assert.IsFalse(Directory.Exists(folder));
    }

    private PeftTransformer Fit(IDataView data, int epochs) => _context.Peft().Lora(Options(data, epochs)).Fit(data);

    private LoraFineTune.Options Options(IDataView data, int epochs, IDataView? validation = null) => new()
    {
        BaseModel = _bert.Folder,
        Task = Both(),
        ValidationSet = validation,
        Training = new TrainingOptions { MaxEpochs = epochs, BatchSize = 8, LearningRate = 1e-2 },
    };

    internal static PeftTask Both() => PeftTask.Several(new Dictionary<string, PeftTask>
    {
        [Mood] = PeftTask.TextClassification(labelColumnName: "MoodKey", outputColumnName: "PredictedMood", scoreColumnName: "MoodScore"),
        [Words] = PeftTask.TokenClassification("Text", "KindKeys", "PredictedKinds", "KindScore"),
    });

    private IDataView Load(int count, int moodEvery = 2) => Load(_context, count, moodEvery);

    internal static IDataView Load(MLContext context, int count, int moodEvery = 2)
    {
        IDataView rows = context.Data.LoadFromEnumerable(Review.Make(count).Select((review, i) => new Row
        {
            Text = review.Text,
            Task = i % moodEvery == 0 ? Mood : Words,
            Mood = IsGood(review) ? "good" : "bad",
            Kinds = [.. review.Text.Split(' ').Select(word => s_kinds[word is "film" or "book" ? 0 : word is "the" or "a" or "and" ? 2 : 1])],
            Number = i % moodEvery == 0 && !IsGood(review) ? 2 : 0,
        }));
        IEstimator<ITransformer> keys = context.Transforms.Conversion.MapValueToKey("MoodKey", "Mood").Append(context.Transforms.Conversion.MapValueToKey("KindKeys", "Kinds"));
        return keys.Fit(rows).Transform(rows);
    }

    private static bool IsGood(Review review) => review.Text.Contains("good", StringComparison.Ordinal);

    private IDataView WithoutTask(IDataView data) => _context.Transforms.DropColumns("Task").Fit(data).Transform(data);

    private Answer[] Answers(IDataView scored) => [.. _context.Data.CreateEnumerable<Answer>(scored, reuseRowObject: false, ignoreMissingColumns: true)];

    private double WordAccuracy(IDataView scored)
    {
        var pairs = _context.Data.CreateEnumerable<Truth>(scored, reuseRowObject: false).Where(row => row.PredictedKinds.Length > 0)
            .SelectMany(row => row.KindKeys.Zip(row.PredictedKinds)).ToArray();
        Assert.IsGreaterThan(50, pairs.Length);
        return pairs.Average(pair => pair.First == pair.Second ? 1.0 : 0);
    }

    private sealed class Within(float tolerance) : System.Collections.IComparer
    {
        public int Compare(object? x, object? y) => Math.Abs((float)x! - (float)y!) <= tolerance ? 0 : 1;
    }

    private sealed class Row
    {
        public string Text { get; set; } = "";

        public string Task { get; set; } = "";

        public string Mood { get; set; } = "";

        public string[] Kinds { get; set; } = [];

        public float Number { get; set; }
    }

    private sealed class Answer
    {
        public uint PredictedMood { get; set; }

        public float[] MoodScore { get; set; } = [];

        public uint[] PredictedKinds { get; set; } = [];

        public float[] KindScore { get; set; } = [];
    }

    private sealed class Truth
    {
        public uint[] KindKeys { get; set; } = [];

        public uint[] PredictedKinds { get; set; } = [];
    }
}

[TestClass]
public sealed class SeveralTasksContract : EstimatorContract
{
    private readonly TinyBert _bert = new();

    [TestCleanup]
    public void DeleteModel() => _bert.Dispose();

    protected override IReadOnlyList<string> InputColumns => ["Text", "Task", "MoodKey", "KindKeys"];

    protected override IReadOnlyList<string> FittedColumns => ["Task", "MoodKey", "KindKeys"];

    protected override string OtherColumn => "Number";

    protected override IDataView CreateData() => SeveralTasksTests.Load(Context, 13);

    protected override IEstimator<ITransformer> CreateEstimator() => Context.Peft().Lora(_bert.Folder, SeveralTasksTests.Both(), rank: 2, maxEpochs: 1, batchSize: 4);
}
