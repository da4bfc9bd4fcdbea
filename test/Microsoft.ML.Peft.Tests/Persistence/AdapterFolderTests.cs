using System.Text.Json.Nodes;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Training;

namespace Microsoft.ML.Peft.Tests.Persistence;

/// <summary>Adapters as PEFT's folders, through the public API.</summary>
[TestClass]
public sealed class AdapterFolderTests
{
    private readonly MLContext _context = new(seed: 1);
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

    private PeftTransformer Fit(IDataView data, string? adapter, int steps) => _context.Peft().Lora(new LoraFineTune.Options
    {
        BaseModel = _bert.Folder,
        Task = PeftTask.TextClassification(),
        AdapterFolder = adapter,
        Lora = new LoraOptions { Rank = 4 },
        Training = new TrainingOptions { MaxSteps = steps, MaxEpochs = 100, LearningRate = adapter is null ? 1e-2 : 1e-9, BatchSize = 8 },
    }).Fit(data);
}
