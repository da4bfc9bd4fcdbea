using System.Text.Json;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Tasks;

/// <summary>Texts that JSON cannot hold, wherever an archive holds texts in JSON: they come back as they were.</summary>
[TestClass]
public sealed class AnyTextTests
{
    private const string Lone = "good\ud83d", Other = "\udc00bad", Whole = "fine \ud83d\ude00";

    private readonly MLContext _context = TestDevice.NewContext(seed: 1);
    private readonly TinyBert _bert = new();

    [TestCleanup]
    public void DeleteModel() => _bert.Dispose();

    [TestMethod]
    public void LabelsComeBackFromAnArchive()
    {
        using PeftTransformer model = Fit(PeftTask.TextClassification());
        using PeftTransformer loaded = SavedAndLoaded(model);
        CollectionAssert.AreEqual(new[] { Lone, Other, Whole }, Values(loaded, "PredictedLabel", "KeyValues"));
        CollectionAssert.AreEqual(new[] { Lone, Other, Whole }, Values(loaded, "Score", "TrainingLabelValues"));
        CollectionAssert.AreEqual(new[] { Lone, Other, Whole }, Values(loaded, "Score", "SlotNames"));
    }

    [TestMethod]
    public void ColumnAndAdapterNamesComeBackFromAnArchive()
    {
        using PeftTransformer model = Fit(PeftTask.TextClassification(outputColumnName: "P" + Lone, scoreColumnName: "S" + Other));
        model.Adapters.Mix(Lone, [(model.Adapters["default"], 1)]);
        using PeftTransformer loaded = SavedAndLoaded(model.WithAdapterColumn("A" + Other));
        CollectionAssert.AreEqual(new[] { "P" + Lone, "S" + Other }, loaded.Scorer.Columns.Select(column => column.Name).ToArray());
        CollectionAssert.Contains(loaded.Adapters.Names.ToArray(), Lone);
        Assert.AreEqual("A" + Other, loaded.AdapterColumnName);
    }

    [TestMethod]
    public void AMergedFolderRefusesThemByName()
    {
        string folder = Path.Combine(_bert.Folder, "merged");
        using PeftTransformer model = Fit(PeftTask.TextClassification());
        Assert.Contains("surrogate", Assert.ThrowsExactly<NotSupportedException>(() => model.SaveMergedModel(folder)).Message);
        Assert.IsFalse(Directory.Exists(folder));
    }

    [TestMethod]
    [DataRow("")]
    [DataRow("plain \"text\"\n")]
    [DataRow("\ud800")]
    [DataRow("a\udc00\ud800b")]
    [DataRow("\ud83d\ude00\ud83d")]
    public void AnyTextGoesThroughJson(string text)
    {
        string json = JsonSerializer.Serialize(new[] { text }, AnyText.Options);
        Assert.AreEqual(text, JsonSerializer.Deserialize<string[]>(json, AnyText.Options)![0]);
    }

    [TestMethod]
    [DataRow("[[65536]]")]
    [DataRow("[[-1]]")]
    [DataRow("[[\"a\"]]")]
    [DataRow("[{}]")]
    public void WhatIsNoTextIsRefused(string json) =>
        Assert.ThrowsExactly<JsonException>(() => JsonSerializer.Deserialize<string[]>(json, AnyText.Options));

    private static string[] Values(PeftTransformer model, string column, string kind)
    {
        VBuffer<ReadOnlyMemory<char>> values = default;
        model.Scorer.Columns.Single(c => c.Name == column).Annotations!.GetValue(kind, ref values);
        return [.. values.DenseValues().Select(value => value.ToString())];
    }

    private PeftTransformer Fit(PeftTask task)
    {
        string[] labels = [Lone, Other, Whole];
        IDataView rows = _context.Data.LoadFromEnumerable(Review.Make(18).Select((row, i) => new Review { Text = row.Text, Label = labels[i % 3] }));
        return _context.Peft().Lora(_bert.Folder, task, maxEpochs: 1).Fit(_context.Transforms.Conversion.MapValueToKey("Label").Fit(rows).Transform(rows));
    }

    private PeftTransformer SavedAndLoaded(PeftTransformer model)
    {
        using var file = new MemoryStream();
        _context.Model.Save(model, null, file);
        file.Position = 0;
        return (PeftTransformer)_context.Model.Load(file, out _);
    }
}
