using Microsoft.ML.Data;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Tasks;

/// <summary>A validation set whose labels were mapped to keys by themselves: what counts is their values, not their order.</summary>
[TestClass]
public sealed class ValidationLabelTests
{
    private readonly MLContext _context = TestDevice.NewContext(seed: 1);
    private readonly TinyBert _bert = new();

    public static IEnumerable<object[]> Tasks =>
    [
        [PeftTask.TextClassification(labelColumnName: "Class")],
        [PeftTask.TokenClassification("Words", "Tags")],
    ];

    [TestCleanup]
    public void DeleteModel() => _bert.Dispose();

    [TestMethod]
    [DynamicData(nameof(Tasks))]
    public void KeysInAnotherOrderGiveTheSameEvaluations(PeftTask task)
    {
        Sample[] rows = Sample.Make(24);
        IDataView train = Keyed(rows), other = Keyed(rows.Reverse());
        Assert.AreNotEqual(KeyValues(train, "Class"), KeyValues(other, "Class"));
        var (expected, model) = Fit(task, train, train);
        var (found, second) = Fit(task, train, other);
        using (model)
        using (second)
        {
            Assert.HasCount(3, expected);
            for (int i = 0; i < expected.Count; i++)
            {
                Assert.AreEqual(expected[i]["Accuracy"], found[i]["Accuracy"], 1e-9);
                Assert.AreEqual(expected[i]["MacroF1"], found[i]["MacroF1"], 1e-9);
                Assert.AreEqual(expected[i]["Loss"], found[i]["Loss"], 1e-4);
            }
            Assert.IsGreaterThan(0.8, expected[^1]["Accuracy"]);
            Table.AreClose(Table.Read(model.Transform(train), "Score"), Table.Read(second.Transform(train), "Score"), 1e-6, "scores");
        }
    }

    [TestMethod]
    [DynamicData(nameof(Tasks))]
    public void SomeOfTheLabelsAreEnough(PeftTask task)
    {
        Sample[] rows = Sample.Make(24);
        IDataView train = Keyed(rows), few = Keyed(rows.Where(row => row.Class != "film").Reverse());
        var (found, model) = Fit(task, train, few);
        using (model)
            Assert.IsGreaterThan(0.8, found[^1]["Accuracy"]);
    }

    [TestMethod]
    [DynamicData(nameof(Tasks))]
    public void AnUnknownLabelIsNamedBeforeTheFirstStep(PeftTask task)
    {
        Sample[] rows = Sample.Make(24);
        IDataView more = Keyed([.. rows, new Sample { Text = "a", Class = "strange", Words = ["a"], Tags = ["B-strange"] }]);
        string message = Refused(task, Keyed(rows), more);
        foreach (string part in new[] { "validation set", $"'{Label(task)}'", "strange'", "film'" })
            Assert.Contains(part, message);
    }

    [TestMethod]
    [DynamicData(nameof(Tasks))]
    public void KeysWithoutValuesCannotBeMatched(PeftTask task)
    {
        Sample[] rows = Sample.Make(24);
        string message = Refused(task, Keyed(rows), new WithoutKeyValues(Keyed(rows)));
        Assert.Contains("validation set", message);
        Assert.Contains("keys without values", message);
    }

    [TestMethod]
    [DynamicData(nameof(Tasks))]
    public void AMissingColumnIsSaidToBeTheValidationSets(PeftTask task)
    {
        Sample[] rows = Sample.Make(24);
        foreach (string column in task.Inputs.Concat(task.Labels).Select(c => c.Name))
        {
            string message = Refused(task, Keyed(rows), _context.Transforms.DropColumns(column).Fit(Keyed(rows)).Transform(Keyed(rows)));
            Assert.Contains("validation set", message);
            Assert.Contains($"'{column}'", message);
        }
    }

    private static string Label(PeftTask task) => task.Labels[0].Name;

    private static string KeyValues(IDataView data, string column)
    {
        VBuffer<ReadOnlyMemory<char>> values = default;
        data.Schema[column].GetKeyValues(ref values);
        return string.Join(" ", values.DenseValues());
    }

    private IDataView Keyed(IEnumerable<Sample> rows)
    {
        IDataView data = _context.Data.LoadFromEnumerable(rows);
        return _context.Transforms.Conversion.MapValueToKey("Class").Append(_context.Transforms.Conversion.MapValueToKey("Tags")).Fit(data).Transform(data);
    }

    private string Refused(PeftTask task, IDataView train, IDataView validation)
    {
        int steps = 0;
        string message = Assert.ThrowsExactly<ArgumentException>(() => Lora(task, validation, _ => steps++).Fit(train)).Message;
        Assert.AreEqual(0, steps);
        return message;
    }

    private (List<IReadOnlyDictionary<string, double>> Evaluations, PeftTransformer Model) Fit(PeftTask task, IDataView train, IDataView validation)
    {
        var found = new List<IReadOnlyDictionary<string, double>>();
        PeftTransformer model = Lora(task, validation, progress =>
        {
            if (progress.Validation is { } metrics)
                found.Add(metrics);
        }).Fit(train);
        return (found, model);
    }

    private LoraFineTune Lora(PeftTask task, IDataView validation, Action<TrainingProgress> progress) => _context.Peft().Lora(new LoraFineTune.Options
    {
        BaseModel = _bert.Folder,
        Task = task,
        ValidationSet = validation,
        Training = new TrainingOptions
        {
            MaxEpochs = 24, EvaluateEvery = 8, BatchSize = 8, LearningRate = 2e-2, Progress = new Training.TinyRun.Callback(progress),
        },
    });

    private sealed class Sample
    {
        public string Text { get; set; } = "";

        public string Class { get; set; } = "";

        public string[] Words { get; set; } = [];

        public string[] Tags { get; set; } = [];

        /// <summary>Three classes of texts, and a tag for each word.</summary>
        public static Sample[] Make(int count) => [.. Enumerable.Range(0, count).Select(i => Of(i % 3 == 0 ? "book" : i % 3 == 1 ? "film" : "none", i))];

        private static Sample Of(string kind, int i)
        {
            string[] words = ["the", i % 2 == 0 ? "good" : "bad", kind == "none" ? "and" : kind];
            return new Sample { Text = string.Join(' ', words), Class = kind, Words = words, Tags = ["O", "O", kind == "none" ? "O" : $"B-{kind}"] };
        }
    }

    /// <summary>Keys as a text loader gives them, which have no values.</summary>
    private sealed class WithoutKeyValues(IDataView source) : IDataView
    {
        public bool CanShuffle => source.CanShuffle;

        public DataViewSchema Schema { get; } = Bare(source.Schema);

        public long? GetRowCount() => source.GetRowCount();

        public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null) => source.GetRowCursor(columnsNeeded, rand);

        public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
            source.GetRowCursorSet(columnsNeeded, n, rand);

        private static DataViewSchema Bare(DataViewSchema schema)
        {
            var builder = new DataViewSchema.Builder();
            foreach (DataViewSchema.Column column in schema)
                builder.AddColumn(column.Name, column.Type);
            return builder.ToSchema();
        }
    }
}
