using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Tasks;

/// <summary>A fit from a folder that brings a classifier: its labels are matched with the data's by value.</summary>
[TestClass]
public sealed class FolderLabelTests
{
    private static readonly string[] s_classes = ["none", "film", "book"];

    private readonly MLContext _context = TestDevice.NewContext(seed: 1);
    private readonly string _root = Directory.CreateTempSubdirectory("labels-").FullName;
    private readonly List<string> _log = [];
    private IDisposable? _base;

    [TestInitialize]
    public void Listen() => _context.Log += (_, message) => _log.Add(message.Message);

    [TestCleanup]
    public void DeleteFolders()
    {
        _base?.Dispose();
        Directory.Delete(_root, recursive: true);
    }

    [TestMethod]
    [DataRow("bert", false)]
    [DataRow("bert", true)]
    [DataRow("roberta", false)]
    [DataRow("llama", false)]
    public void RowsOfTheClassifierFollowTheirLabels(string modelType, bool words)
    {
        IDataView first = Data("none", "film", "book"), second = Data("book", "none", "film"), third = Data("film", "book", "none");
        using PeftTransformer trained = Fit(Base(modelType), first, words, rate: 2e-2, epochs: 8);
        trained.SaveMergedModel(PathOf("merged"));
        Assert.AreEqual(words ? "O B-none B-film B-book" : "none film book", Id2Label("merged"));

        using PeftTransformer again = Fit(PathOf("merged"), second, words);
        LabelledRows.AreSame(LabelledRows.Scores(trained, first), again, second, "scores by label");
        Assert.IsEmpty(Warnings());
        using PeftTransformer loaded = Saved(again);
        LabelledRows.AreSame(LabelledRows.Scores(trained, first), loaded, second, "scores by label");
        // Beneath the adapter as well.
        again.Adapters.Activate(null);
        loaded.Adapters.Activate(null);
        LabelledRows.AreSame(LabelledRows.Scores(trained, first), again, second, "scores by label");
        LabelledRows.AreSame(LabelledRows.Scores(trained, first), loaded, second, "scores by label");

        again.Adapters.Activate(again.Adapters["default"]);
        again.SaveMergedModel(PathOf("second"));
        Assert.AreEqual(words ? "O B-book B-none B-film" : "book none film", Id2Label("second"));
        using PeftTransformer full = _context.Peft().FullFineTune(new FullFineTune.Options
        {
            BaseModel = PathOf("second"), Task = LabelledRows.Task(words), Training = new TrainingOptions { LearningRate = 1e-12, MaxEpochs = 1 },
        }).Fit(third);
        LabelledRows.AreSame(LabelledRows.Scores(trained, first), full, third, "scores by label");
        using PeftTransformer reloaded = Saved(full);
        LabelledRows.AreSame(LabelledRows.Scores(trained, first), reloaded, third, "scores by label");
    }

    [TestMethod]
    public void OtherLabelsAreRefusedByName()
    {
        Merge();
        string message = Refused(Data("book", "none", "picture"));
        foreach (string part in new[] { "classifier.weight", "'film'", "'picture'", "NewHead", PathOf("merged") })
            Assert.Contains(part, message);
        message = Refused(Data("book", "none"));
        foreach (string part in new[] { "3 classes", "'film'", "has 2", "NewHead" })
            Assert.Contains(part, message);
    }

    [TestMethod]
    [DataRow("book", "none")]
    [DataRow("book", "none", "picture")]
    [DataRow("film", "none", "book")]
    public void AHeadMayStartAnew(params string[] classes)
    {
        Merge();
        IDataView data = Data(classes);
        using PeftTransformer model = Fit(PathOf("merged"), data, words: false, rate: 2e-2, epochs: 8, newHead: true);
        using PeftTransformer loaded = Saved(model);
        Table.AreClose(Table.Read(model.Transform(data), "Score"), Table.Read(loaded.Transform(data), "Score"), 0, "scores");
        model.SaveMergedModel(PathOf("anew"));
        Assert.AreEqual(string.Join(' ', classes), Id2Label("anew"));
        using PeftTransformer again = Fit(PathOf("anew"), data, words: false);
        LabelledRows.AreSame(LabelledRows.Scores(model, data), again, data, "scores by label");
    }

    [TestMethod]
    [DataRow("bert")]
    [DataRow("roberta")]
    public void AClassifierOfAnotherTaskIsRefusedByName(string modelType)
    {
        foreach (bool words in new[] { true, false })
        {
            string folder = words ? "of words" : "of texts";
            IDataView data = words ? Data("none", "film", "book") : Data("none", "film", "book", "good");
            using (PeftTransformer model = Fit(Base(modelType, c => c["architectures"] = new JsonArray("TinyModel")), data, words))
                model.SaveMergedModel(PathOf(folder));
            Assert.AreEqual(words ? "TinyForTokenClassification" : "TinyForSequenceClassification", Config(folder)["architectures"]![0]!.ToString());
            IDataView other = words ? Data("none", "film", "book", "good") : Data("none", "film", "book");
            string message = Assert.ThrowsExactly<InvalidOperationException>(() => Fit(PathOf(folder), other, !words)).Message;
            foreach (string part in new[] { "classifier.", words ? "TinyForTokenClassification" : "TinyForSequenceClassification", "film'", "NewHead" })
                Assert.Contains(part, message);
            using PeftTransformer anew = Fit(PathOf(folder), other, !words, newHead: true);
            anew.SaveMergedModel(PathOf(folder + " anew"));
            using PeftTransformer again = Fit(PathOf(folder + " anew"), other, !words);
        }
    }

    [TestMethod]
    [DataRow("regression")]
    [DataRow("multi_label_classification")]
    public void AClassifierOfAnotherKindOfProblemIsRefusedByName(string problem)
    {
        Merge();
        Change("merged", config => config["problem_type"] = problem);
        Assert.Contains(problem, Refused(Data(s_classes)));
        using PeftTransformer anew = Fit(PathOf("merged"), Data(s_classes), words: false, newHead: true);
        anew.SaveMergedModel(PathOf("anew"));
        Assert.IsNull(Config("anew")["problem_type"]);
    }

    /// <summary>They say nothing of values: the rows are taken as they are.</summary>
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void GenericNamesAreTakenByCountWithAWarning(bool given)
    {
        using PeftTransformer trained = Merge();
        Change("merged", config =>
        {
            config.Remove("label2id");
            config.Remove("id2label");
            if (given)
                config["id2label"] = new JsonObject { ["2"] = "LABEL_2", ["0"] = "LABEL_0", ["1"] = "LABEL_1" };
        });
        using PeftTransformer again = Fit(PathOf("merged"), Data(s_classes), words: false);
        LabelledRows.AreSame(LabelledRows.Scores(trained, Data(s_classes)), again, Data(s_classes), "scores by label");
        Assert.HasCount(1, Warnings());
        Assert.Contains("generic names", Warnings()[0]);
        Assert.Contains("3 classes", Refused(Data("book", "none")));
    }

    [TestMethod]
    public void AnOptionForAHeadIsRefusedWhereThereIsNone() => Assert.Contains("NewHead", Assert.ThrowsExactly<ArgumentException>(
        () => _context.Peft().Lora(new LoraFineTune.Options { BaseModel = Base("llama"), Task = PeftTask.CausalLanguageModelling(), NewHead = true })).Message);

    private string PathOf(string name) => Path.Combine(_root, name);

    private string Base(string modelType, Action<JsonObject>? change = null)
    {
        _base?.Dispose();
        if (modelType == "llama")
        {
            var decoder = new TinyDecoder(modelType);
            _base = decoder;
            return decoder.Folder;
        }
        var bert = new TinyBert(change: config =>
        {
            config["model_type"] = modelType;
            change?.Invoke(config);
        });
        _base = bert;
        return bert.Folder;
    }

    private PeftTransformer Merge()
    {
        PeftTransformer model = Fit(Base("bert"), Data(s_classes), words: false, rate: 2e-2, epochs: 8);
        model.SaveMergedModel(PathOf("merged"));
        return model;
    }

    private string Refused(IDataView data) =>
        Assert.ThrowsExactly<InvalidOperationException>(() => Fit(PathOf("merged"), data, words: false)).Message;

    /// <summary>A fit that as good as does not train, unless it is told to.</summary>
    private PeftTransformer Fit(string folder, IDataView data, bool words, double rate = 1e-12, int epochs = 1, bool newHead = false) =>
        _context.Peft().Lora(new LoraFineTune.Options
        {
            BaseModel = folder,
            Task = LabelledRows.Task(words),
            NewHead = newHead,
            Training = new TrainingOptions { LearningRate = rate, MaxEpochs = epochs, BatchSize = 8 },
        }).Fit(data);

    private string[] Warnings() => [.. _log.Where(line => line.Contains("Kind=Warning", StringComparison.Ordinal) && line.Contains("classifier", StringComparison.Ordinal))];

    private JsonObject Config(string folder) => JsonNode.Parse(File.ReadAllText(Path.Combine(PathOf(folder), "config.json")))!.AsObject();

    private void Change(string folder, Action<JsonObject> change)
    {
        JsonObject config = Config(folder);
        change(config);
        File.WriteAllText(Path.Combine(PathOf(folder), "config.json"), config.ToJsonString());
    }

    private string Id2Label(string folder)
    {
        var labels = HfConfig.Load(PathOf(folder)).Id2Label!;
        JsonObject back = Config(folder)["label2id"]!.AsObject();
        foreach (var (id, name) in labels)
            Assert.AreEqual(id, (int)back[name]!);
        return string.Join(' ', labels.OrderBy(label => label.Key).Select(label => label.Value));
    }

    private PeftTransformer Saved(PeftTransformer model) => LabelledRows.Saved(_context, model);

    private IDataView Data(params string[] classes) => LabelledRows.Data(_context, classes);
}
