using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Tasks;

/// <summary>A row may give several examples, and their predictions are joined: a classifier that reads a long text in windows.</summary>
[TestClass]
public sealed class WindowTaskTests
{
    private const int Room = 6;

    private readonly MLContext _context = TestDevice.NewContext(seed: 1);
    private readonly TinyBert _bert = new();

    [TestCleanup]
    public void DeleteModel() => _bert.Dispose();

    [TestMethod]
    public void ATextBeyondTheLengthIsLearntAndScoredInWindows()
    {
        IDataView rows = Rows(48);
        using PeftTransformer model = Fit(new WindowTask(), rows);
        IDataView scored = model.Transform(rows);
        Assert.IsGreaterThan(0.95, _context.MulticlassClassification.Evaluate(scored).MicroAccuracy);
        Assert.HasCount(48, Table.Read(scored, "Score"));
        using var engine = _context.Model.CreatePredictionEngine<LongText, Prediction>(model, new PredictionEngineOptions { OwnsTransformer = false });
        object[] single = [.. _context.Data.CreateEnumerable<LongText>(rows, reuseRowObject: false)
            .Select(row => (object)engine.Predict(row).Score.Select(score => (object)(double)score).ToArray())];
        Table.AreClose(Table.Read(scored, "Score"), single, 1e-5, "scores one by one");
        // What decides is in the last window alone: cut texts are all alike.
        using PeftTransformer cut = Fit(PeftTask.TextClassification(), rows);
        Assert.IsLessThan(0.6, _context.MulticlassClassification.Evaluate(cut.Transform(rows)).MicroAccuracy);
    }

    [TestMethod]
    public void EveryWindowIsTrainedOn()
    {
        IDataView rows = Rows(10);
        using PeftTransformer model = Fit(new WindowTask(), rows, epochs: 1);
        using RowSet read = RowSet.Read(rows, ["Text", "Label"], row => model.Scorer.Task.CreateReader(row, withLabels: true), () => { });
        Assert.HasCount(Enumerable.Range(0, 10).Sum(i => Windows(i) + 1), read.Examples);
        Assert.AreEqual(0, read.Skipped);
    }

    [TestMethod]
    public void ATaskThatDoesNotSayHowTheyJoinIsNamed()
    {
        IDataView rows = Rows(4);
        using PeftTransformer model = Fit(new WindowTask { Joins = false }, rows, epochs: 1);
        StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(() => Table.Read(model.Transform(rows), "Score")).Message, "'windows'");
    }

    private PeftTransformer Fit(PeftTask task, IDataView rows, int epochs = 8) => _context.Peft().FullFineTune(new FullFineTune.Options
    {
        BaseModel = _bert.Folder,
        Task = task,
        MaxLength = Room + 2,
        Training = new TrainingOptions { MaxEpochs = epochs, BatchSize = 8, LearningRate = 5e-3 },
    }).Fit(rows);

    private IDataView Rows(int count)
    {
        IDataView rows = _context.Data.LoadFromEnumerable(Enumerable.Range(0, count).Select(i => new Review
        {
            Text = string.Concat(Enumerable.Repeat("the film and a book and ", Windows(i))) + string.Join(' ', Enumerable.Repeat(i % 2 == 0 ? "good" : "bad", Room)),
            Label = i % 2 == 0 ? "positive" : "negative",
        }));
        return _context.Transforms.Conversion.MapValueToKey("Label").Fit(rows).Transform(rows);
    }

    private static int Windows(int row) => 1 + row / 2 % 3;

    private sealed class LongText
    {
        public string Text { get; set; } = "";
    }

    private sealed class Prediction
    {
        public float[] Score { get; set; } = [];
    }

    /// <summary>The class of a text by the mean over its windows.</summary>
    internal sealed class WindowTask : PeftTask
    {
        public bool Joins { get; init; } = true;

        internal TextColumn Text => new("Text", "Text");

        internal KeyColumn Label => new("Label");

        internal override IReadOnlyList<TaskColumn> Inputs => [Text];

        internal override IReadOnlyList<TaskColumn> Labels => [Label];

        internal override IEnumerable<SchemaShape.Column> OutputShape(SchemaShape schema) =>
            [SchemaShapes.PredictedKey("PredictedLabel", schema, "Label"), SchemaShapes.Scores("Score", schema, "Label")];

        internal override TaskRuntime Bind(LabelSet labels, InputProcessor processor, int maxLength) => new Runtime(this, labels, processor, maxLength);
    }

    private sealed class Runtime(WindowTask task, LabelSet labels, InputProcessor processor, int maxLength)
        : TaskRuntime<float[]>(task, labels, processor, maxLength)
    {
        public override Func<IReadOnlyList<Example>> CreateReader(DataViewRow row, bool withLabels)
        {
            Func<string> text = task.Text.Read(row);
            Func<int>? label = withLabels ? task.Label.Read(row, Labels) : null;
            return () =>
            {
                int? index = label?.Invoke();
                int[] ids = Tokenizer.Encode(text(), addSpecialTokens: false).Ids;
                return index < 0 ? [] : [.. ids.Chunk(MaxLength - 2).DefaultIfEmpty([]).Select(window => new Example
                {
                    Ids = [Tokenizer.ClsId!.Value, .. window, Tokenizer.SepId!.Value],
                    Label = index,
                })];
            };
        }

        public override Head CreateHead(PretrainedModel model) => model.As<ISequenceClassifier>().CreateSequenceClassificationHead(Labels.Count);

        public override ITaskMetrics CreateMetrics() => new ClassificationMetrics(Labels.Count);

        public override IReadOnlyList<OutputColumn<float[]>> Outputs =>
        [
            OutputColumn<float[]>.Of("PredictedLabel", new KeyDataViewType(typeof(uint), Labels.Count),
                scores => (uint)Classification.ArgMax(scores) + 1, Classification.PredictedLabelAnnotations(Labels)),
            OutputColumn<float[]>.Vector("Score", new VectorDataViewType(NumberDataViewType.Single, Labels.Count),
                scores => scores, Classification.ScoreAnnotations(Labels)),
        ];

        public override IReadOnlyList<float[]> Predict(Tensor answer, Batch batch) => [.. Classification.Probabilities(answer).Chunk(Labels.Count)];

        public override float[] Join(IReadOnlyList<float[]> parts) => task.Joins
            ? [.. Enumerable.Range(0, Labels.Count).Select(label => parts.Average(scores => scores[label]))]
            : base.Join(parts);
    }
}
