using System.Text.Json.Nodes;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Peft.Tests.Persistence;

/// <summary>Adapters as PEFT's folders, through the public API.</summary>
[TestClass]
public sealed class AdapterFolderTests
{
    private readonly MLContext _context = TestDevice.NewContext(seed: 1);
    private readonly TinyBert _bert = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("adapter-").FullName;

    private string Adapter => Path.Combine(_folder, "adapter");

    [TestCleanup]
    public void Delete()
    {
        _bert.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [TestMethod]
    public void ASavedAdapterContinuesWhereItEnded()
    {
        IDataView data = Review.Load(_context);
        using PeftTransformer first = Fit(data, adapter: null, steps: 20);
        first.SaveAdapter(Adapter);
        // One step at a rate of almost nothing: what is left is what was loaded.
        using PeftTransformer second = Fit(data, Adapter, steps: 1);
        Table.AreClose(Table.Read(first.Transform(data), "Score"), Table.Read(second.Transform(data), "Score"), 1e-5, "scores");
    }

    [TestMethod]
    public void TheSettingsArePefts()
    {
        using PeftTransformer model = Fit(Review.Load(_context), adapter: null, steps: 1);
        model.SaveAdapter(Adapter);
        JsonNode config = JsonNode.Parse(File.ReadAllText(Path.Combine(Adapter, "adapter_config.json")))!;
        Assert.AreEqual("LORA", (string?)config["peft_type"]);
        Assert.AreEqual("SEQ_CLS", (string?)config["task_type"]);
        Assert.AreEqual(4, (int)config["r"]!);
        CollectionAssert.AreEqual(new[] { "query", "value" }, config["target_modules"]!.AsArray().Select(name => (string?)name).ToArray(), "the list that was used");
    }

    [TestMethod]
    public void AnExistingFolderIsLeftAlone()
    {
        using PeftTransformer model = Fit(Review.Load(_context), adapter: null, steps: 1);
        Directory.CreateDirectory(Adapter);
        Assert.Contains(Adapter, Assert.ThrowsExactly<IOException>(() => model.SaveAdapter(Adapter)).Message);
        Assert.IsEmpty(Directory.GetFileSystemEntries(Adapter));
    }

    [TestMethod]
    public void AnAdapterOfAnotherShapeIsRefused()
    {
        using PeftTransformer model = Fit(Review.Load(_context), adapter: null, steps: 1);
        model.SaveAdapter(Adapter);
        string file = Path.Combine(Adapter, "adapter_config.json");
        File.WriteAllText(file, File.ReadAllText(file).Replace("\"r\": 4", "\"r\": 5", StringComparison.Ordinal));
        string message = Assert.ThrowsExactly<InvalidDataException>(() => Fit(Review.Load(_context), Adapter, steps: 1)).Message;
        Assert.Contains("lora_A", message);
        Assert.Contains("[4, 16]", message);
        Assert.Contains("[5, 16]", message);
    }

    [TestMethod]
    [DataRow("peft_type", "\"IA3\"")]
    [DataRow("lora_bias", "true")]
    public void WhatIsNotSupportedIsNamed(string key, string value)
    {
        Directory.CreateDirectory(Adapter);
        JsonObject config = new() { ["peft_type"] = "LORA", ["r"] = 4, ["lora_alpha"] = 4 };
        config[key] = JsonNode.Parse(value);
        File.WriteAllText(Path.Combine(Adapter, "adapter_config.json"), config.ToJsonString());
        Assert.Contains(key, Assert.ThrowsExactly<NotSupportedException>(() => Fit(Review.Load(_context), Adapter, steps: 1)).Message);
    }

    [TestMethod]
    [DataRow("sparse_update", "true", true)]
    [DataRow("sparse_update", "{\"share\": 0.5}", true)]
    [DataRow("sparse_update", "\"half\"", true)]
    [DataRow("sparse_update", "false", false)]
    [DataRow("sparse_update", "null", false)]
    [DataRow("sparse_update", "[]", false)]
    [DataRow("qalora_group_size", "16", false)]
    public void ASettingThatIsNotKnownMustBeOff(string key, string value, bool refused)
    {
        using PeftTransformer model = Fit(Review.Load(_context), adapter: null, steps: 1);
        model.SaveAdapter(Adapter);
        Change(config => config[key] = JsonNode.Parse(value));
        if (!refused)
            Fit(Review.Load(_context), Adapter, steps: 1).Dispose();
        else
            Assert.Contains($"'{key}'", Assert.ThrowsExactly<NotSupportedException>(() => Fit(Review.Load(_context), Adapter, steps: 1)).Message);
    }

    [TestMethod]
    [DataRow("target_modules", """["query", "value", "vlaue"]""", "'vlaue'")]
    [DataRow("rank_pattern", """{"qeury": 4}""", "'qeury'")]
    [DataRow("modules_to_save", """["clasifier"]""", "'clasifier'")]
    [DataRow("modules_to_save", """["classifier", "score"]""", null)]
    [DataRow("layers_pattern", "\"\"", null)]
    [DataRow("target_modules", "\"(?P<all>.*(?:query|value))\"", null)]
    public void ASelectorThatMatchesNothingIsAWarningWhereAllTensorsFoundTheirPlace(string key, string value, string? named)
    {
        IDataView data = Review.Load(_context);
        using PeftTransformer model = Fit(data, adapter: null, steps: 1);
        model.SaveAdapter(Adapter);
        Change(config => config[key] = JsonNode.Parse(value));
        var warnings = new List<string>();
        _context.Log += (_, e) =>
        {
            if (e.Kind == ChannelMessageKind.Warning && e.Message.Contains("LoraOptions", StringComparison.Ordinal))
                warnings.Add(e.Message);
        };
        Fit(data, Adapter, steps: 1).Dispose();
        model.Adapters.Load("again", Adapter);
        Assert.HasCount(named is null ? 0 : 2, warnings);
        Assert.IsTrue(warnings.All(warning => warning.Contains(named!, StringComparison.Ordinal)));
    }

    [TestMethod]
    public void OptionsBesideAnAdapterAreHonouredOrRefused()
    {
        IDataView data = Review.Load(_context);
        using PeftTransformer model = Fit(data, adapter: null, steps: 1);
        model.SaveAdapter(Adapter);
        LoraFineTune Continue(LoraOptions lora) => _context.Peft().Lora(Options(Adapter, steps: 1, lora));
        // Left alone, equal to the adapter's (in any order), or of the training.
        foreach (LoraOptions good in new[] { new LoraOptions(), new() { Rank = 4, Alpha = 4, TargetModules = ["value", "query"] }, new() { Dropout = 0.5, LoraPlusRatio = 16 } })
            Continue(good).Fit(data).Dispose();
        foreach (var (option, bad) in new (string, LoraOptions)[]
        {
            ("Rank", new() { Rank = 8 }), ("Alpha", new() { Alpha = 32 }), ("TargetModules", new() { TargetModules = ["query"] }), ("UseDora", new() { UseDora = true }),
            ("Start", new() { Start = LoraStart.Pissa }), ("Bias", new() { Bias = LoraBias.All }), ("AddedTokens", new() { AddedTokens = ["new"] }),
            ("RankPattern", new() { RankPattern = new Dictionary<string, int> { ["query"] = 2 } }), ("ModulesToSave", new() { ModulesToSave = ["pooler"] }),
        })
        {
            string message = Assert.ThrowsExactly<ArgumentException>(() => Continue(bad)).Message;
            Assert.Contains(option + " is ", message);
            Assert.Contains(Adapter, message);
        }
    }

    [TestMethod]
    public void OnlyTheMethodThatMadeAnAdapterTrainsItFurther()
    {
        using PeftTransformer model = Fit(Review.Load(_context), adapter: null, steps: 1);
        model.SaveAdapter(Adapter);
        PeftTask task = PeftTask.TextClassification();
        Assert.Contains("'lora', and this method is 'full'", Assert.ThrowsExactly<ArgumentException>(
            () => _context.Peft().FullFineTune(new FullFineTune.Options { BaseModel = _bert.Folder, Task = task, AdapterFolder = Adapter })).Message);
        Assert.Contains("'lora', and this method is 'linear-probe'", Assert.ThrowsExactly<ArgumentException>(
            () => _context.Peft().LinearProbe(new LinearProbe.Options { BaseModel = _bert.Folder, Task = task, AdapterFolder = Adapter })).Message);
    }

    private void Change(Action<JsonObject> change)
    {
        string file = Path.Combine(Adapter, "adapter_config.json");
        JsonObject config = JsonNode.Parse(File.ReadAllText(file))!.AsObject();
        change(config);
        File.WriteAllText(file, config.ToJsonString());
    }

    private PeftTransformer Fit(IDataView data, string? adapter, int steps) => _context.Peft().Lora(Options(
        adapter, steps, adapter is null ? new LoraOptions { Rank = 4 } : new LoraOptions())).Fit(data);

    private LoraFineTune.Options Options(string? adapter, int steps, LoraOptions lora) => new()
    {
        BaseModel = _bert.Folder,
        Task = PeftTask.TextClassification(),
        AdapterFolder = adapter,
        Lora = lora,
        Training = new TrainingOptions { MaxSteps = steps, MaxEpochs = 100, LearningRate = adapter is null ? 1e-2 : 1e-9, BatchSize = 8 },
    };
}
