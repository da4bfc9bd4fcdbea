using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tests.Tasks;
using TorchSharp;

namespace Microsoft.ML.Peft.Tests.Estimators.Adapters;

/// <summary>Adapters whose labels had other keys when they were trained: what counts is the labels' values, at every door.</summary>
[TestClass]
public sealed class AdapterLabelTests
{
    private readonly MLContext _context = TestDevice.NewContext(seed: 1);
    private readonly TinyBert _bert = new();
    private readonly string _root = Directory.CreateTempSubdirectory("adapter-labels-").FullName;
    private readonly List<string> _log = [];

    [TestInitialize]
    public void Listen() => _context.Log += (_, message) => _log.Add(message.Message);

    [TestCleanup]
    public void DeleteFolders()
    {
        _bert.Dispose();
        Directory.Delete(_root, recursive: true);
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void AnAdapterAnswersByItsLabelsAtEveryDoor(bool words)
    {
        IDataView first = Data("none", "film", "book"), second = Data("book", "none", "film"), third = Data("film", "book", "none");
        using PeftTransformer trained = Fit(first, words, rate: 2e-2, epochs: 12);
        trained.SaveAdapter(PathOf("first"));
        object[] expected = LabelledRows.Scores(trained, first);
        if (!words)
            Assert.IsGreaterThan(0.9, Accuracy(trained, first));

        using PeftTransformer other = Fit(second, words, rate: 1e-2, epochs: 1);
        PeftAdapter loaded = other.Adapters.Load("first", PathOf("first"));
        other.Adapters.Activate(loaded);
        LabelledRows.AreSame(expected, other, second, "loaded");
        if (!words)
            Assert.IsGreaterThan(0.9, Accuracy(other, second));

        other.Adapters.Activate(other.Adapters.Mix("mixed", [(loaded, 1)]));
        LabelledRows.AreSame(expected, other, second, "mixed");
        other.SaveAdapter(PathOf("second"), loaded);
        using (PeftTransformer archived = LabelledRows.Saved(_context, other))
        {
            archived.Adapters.Activate(archived.Adapters["first"]);
            LabelledRows.AreSame(expected, archived, second, "archived");
        }
        other.Adapters.Activate(other.Adapters.Replace(other.Adapters["default"], PathOf("first")));
        LabelledRows.AreSame(expected, other, second, "replaced");

        foreach (string folder in new[] { "first", "second" })
        {
            using PeftTransformer again = Fit(third, words, adapter: PathOf(folder));
            LabelledRows.AreSame(expected, again, third, "a fit that goes on");
        }
        Assert.IsEmpty(Warnings());
    }

    [TestMethod]
    public void RowsOfAColumnAnswerByTheirAdaptersLabels()
    {
        IDataView first = Data("none", "film", "book"), second = Data("book", "none", "film");
        using PeftTransformer trained = Fit(first, words: false, rate: 2e-2, epochs: 12);
        trained.SaveAdapter(PathOf("first"));
        using PeftTransformer other = Fit(second, words: false, rate: 1e-2, epochs: 1);
        object[] own = LabelledRows.Scores(other, second), expected = LabelledRows.Scores(trained, first);
        other.Adapters.Load("first", PathOf("first"));
        object[] found = LabelledRows.Scores(other.WithAdapterColumn("Adapter"), second);
        for (int row = 0; row < found.Length / 3; row++)
            Table.AreClose(Rows(row % 2 == 0 ? expected : own, row), Rows(found, row), 1e-4, $"row {row}");

        static object[] Rows(object[] all, int row) => all[(3 * row)..(3 * row + 3)];
    }

    [TestMethod]
    public void OtherLabelsAreRefusedByNameAtEveryDoor()
    {
        using PeftTransformer trained = Fit(Data("none", "film", "book"), words: false);
        trained.SaveAdapter(PathOf("first"));
        IDataView data = Data("none", "film", "good");
        using PeftTransformer other = Fit(data, words: false);
        Func<object>[] doors =
        [
            () => other.Adapters.Load("first", PathOf("first")),
            () => other.Adapters.Replace(other.Adapters["default"], PathOf("first")),
            () => Fit(data, words: false, adapter: PathOf("first")),
            () => Fit(Data("none", "film"), words: false, adapter: PathOf("first")),
        ];
        foreach (Func<object> door in doors)
        {
            string message = Assert.ThrowsExactly<InvalidDataException>(() => door()).Message;
            foreach (string part in new[] { PathOf("first"), "'book'", "'none'" })
                Assert.Contains(part, message);
        }
        CollectionAssert.AreEqual(new[] { "default" }, other.Adapters.Names.ToArray());
        Assert.IsTrue(other.Adapters["default"].IsCurrent);
    }

    /// <summary>As PEFT writes them.</summary>
    [TestMethod]
    public void AnAdapterThatNamesNoLabelsIsTakenWithAWarning()
    {
        IDataView data = Data("none", "film", "book");
        using PeftTransformer trained = Fit(data, words: false, rate: 2e-2, epochs: 4);
        trained.SaveAdapter(PathOf("first"));
        Rewrite(null);
        using PeftTransformer other = Fit(data, words: false);
        other.Adapters.Activate(other.Adapters.Load("first", PathOf("first")));
        LabelledRows.AreSame(LabelledRows.Scores(trained, data), other, data, "row by row");
        using PeftTransformer again = Fit(data, words: false, adapter: PathOf("first"));
        LabelledRows.AreSame(LabelledRows.Scores(trained, data), again, data, "row by row");
        Assert.HasCount(2, Warnings());
        Assert.Contains("'none', 'film', 'book'", Warnings()[0]);
    }

    [TestMethod]
    [DataRow("[]")]
    [DataRow("{")]
    [DataRow("{\"names\":[1.5]}")]
    [DataRow("{\"type\":\"String\"}")]
    public void LabelsThatCannotBeReadAreNamed(string labels)
    {
        using PeftTransformer trained = Fit(Data("none", "film", "book"), words: false);
        trained.SaveAdapter(PathOf("first"));
        Rewrite(labels);
        string message = Assert.ThrowsExactly<InvalidDataException>(() => trained.Adapters.Load("first", PathOf("first"))).Message;
        Assert.Contains("adapter_model.safetensors", message);
        Assert.Contains("'labels'", message);
    }

    /// <summary>An adapter over a base with a head of other labels brings its own.</summary>
    [TestMethod]
    public void AnAdapterOverAFolderWithAnotherHeadGoesOn()
    {
        using PeftTransformer trained = Fit(Data("none", "film", "book"), words: false);
        trained.SaveMergedModel(PathOf("merged"));
        IDataView data = Data("good", "bad");
        using PeftTransformer anew = Fit(data, words: false, rate: 2e-2, epochs: 4, model: PathOf("merged"), newHead: true);
        anew.SaveAdapter(PathOf("first"));
        using PeftTransformer again = Fit(data, words: false, adapter: PathOf("first"), model: PathOf("merged"));
        LabelledRows.AreSame(LabelledRows.Scores(anew, data), again, data, "a fit that goes on");
    }

    private string PathOf(string name) => Path.Combine(_root, name);

    private string[] Warnings() => [.. _log.Where(line => line.Contains("Kind=Warning", StringComparison.Ordinal) && line.Contains("classifier", StringComparison.Ordinal))];

    /// <summary>Writes the adapter's tensors again, with other labels or none.</summary>
    private void Rewrite(string? labels)
    {
        string file = Path.Combine(PathOf("first"), "adapter_model.safetensors");
        using var scope = torch.NewDisposeScope();
        (string, torch.Tensor)[] tensors;
        using (SafetensorsFile source = SafetensorsFile.Open(file))
            tensors = [.. source.Names.Select(name => (name, source.Read(name).clone()))];
        SafetensorsWriter.WriteFile(file, tensors, labels is null ? null : new Dictionary<string, string> { ["labels"] = labels });
    }

    private PeftTransformer Fit(
        IDataView data, bool words, double rate = 1e-12, int epochs = 1, string? adapter = null, string? model = null, bool newHead = false) =>
        _context.Peft().Lora(new LoraFineTune.Options
        {
            BaseModel = model ?? _bert.Folder,
            Task = LabelledRows.Task(words),
            AdapterFolder = adapter,
            NewHead = newHead,
            Training = new TrainingOptions { LearningRate = rate, MaxEpochs = epochs, BatchSize = 8 },
        }).Fit(data);

    private IDataView Data(params string[] classes) => LabelledRows.Data(_context, classes);

    private double Accuracy(PeftTransformer model, IDataView data) => _context.MulticlassClassification.Evaluate(model.Transform(data)).MicroAccuracy;
}
