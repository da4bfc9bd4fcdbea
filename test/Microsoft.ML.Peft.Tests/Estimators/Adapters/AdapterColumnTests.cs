namespace Microsoft.ML.Peft.Tests.Estimators.Adapters;

/// <summary>A column names the adapter of each row.</summary>
[TestClass]
public sealed class AdapterColumnTests
{
    private static readonly string[] s_names = ["b", "a", "", "b", "default", "a", "b"];

    private readonly AdapterFixture _it = new();

    [TestInitialize]
    public void Load()
    {
        _it.Transformer.Adapters.Load("a", _it.Train("a", "first"));
        _it.Transformer.Adapters.Load("b", _it.Train("b", "second text", new LoraOptions { Rank = 2, UseDora = true, TargetModules = ["q_proj", "embed_tokens", "lm_head"] }));
    }

    [TestCleanup]
    public void Clean() => _it.Dispose();

    [TestMethod]
    public void EachRowAnswersUnderItsAdapter()
    {
        PeftTransformer routed = _it.Transformer.WithAdapterColumn("Adapter");
        AdapterFixture.AreClose(Expected(), _it.Scores(routed, _it.Routed(s_names)), "rows by adapter");
    }

    [TestMethod]
    public void AModelIsSavedWithItsAdaptersAndColumn()
    {
        _it.Transformer.Adapters.Replace(_it.Transformer.Adapters["default"], _it.Train("c", "third"));
        _it.Transformer.Adapters.Activate(_it.Transformer.Adapters["b"]);
        float[] expected = Expected();
        string file = _it.PathOf("model.zip");
        _it.Context.Model.Save(_it.Transformer.WithAdapterColumn("Adapter"), _it.Routed(s_names).Schema, file);
        using var loaded = (PeftTransformer)_it.Context.Model.Load(file, out _);
        Assert.AreEqual("Adapter", loaded.AdapterColumnName);
        Assert.AreEqual("b", loaded.Adapters.Active!.Name);
        AdapterFixture.AreClose(expected, _it.Scores(loaded, _it.Routed(s_names)), "after loading");
        loaded.Adapters.Remove(loaded.Adapters["default"]);
        loaded.Adapters.Load("default", _it.PathOf("a"));
        AdapterFixture.AreClose(
            _it.Scores(loaded, _it.Routed("a", "a", "a")), _it.Scores(loaded, _it.Routed("default", "default", "default")), "the same adapter", 0);
    }

    [TestMethod]
    public void AnUnknownNameTellsRowColumnAndNames()
    {
        PeftTransformer routed = _it.Transformer.WithAdapterColumn("Adapter");
        string message = Assert.ThrowsExactly<InvalidOperationException>(() => _it.Scores(routed, _it.Routed("a", "b", "c"))).Message;
        foreach (string part in new[] { "Row 2", "'Adapter'", "'c'", "a, b, default" })
            Assert.Contains(part, message);
    }

    [TestMethod]
    public void TheColumnMustBeText()
    {
        string message = Assert.ThrowsExactly<ArgumentException>(() => _it.Transformer.WithAdapterColumn("Adapter").Transform(_it.Data)).Message;
        Assert.Contains("Adapter column 'Adapter' is missing", message);
    }

    [TestMethod]
    public void SingleRowsAnswerUnderTheirAdapters()
    {
        PeftTransformer routed = _it.Transformer.WithAdapterColumn("Adapter");
        using var engine = _it.Context.Model.CreatePredictionEngine<AdapterFixture.RoutedRow, AdapterFixture.Scored>(
            routed, new PredictionEngineOptions { OwnsTransformer = false });
        IEnumerable<AdapterFixture.RoutedRow> rows = _it.Context.Data.CreateEnumerable<AdapterFixture.RoutedRow>(_it.Routed(s_names), false);
        AdapterFixture.AreClose(Expected(), [.. rows.Select(row => engine.Predict(row).Perplexity)], "one row at a time");
    }

    private float[] Expected() =>
    [
        .. s_names.Select((name, i) => _it.ScoresUnder(name.Length == 0 ? _it.Transformer.Adapters.Active : _it.Transformer.Adapters[name])[i % 4]),
    ];
}
