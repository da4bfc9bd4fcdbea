using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Tasks;

/// <summary>Labels of words by a decoder, whose tokens see only those before them.</summary>
[TestClass]
public sealed class DecoderTaggingTests
{
    private readonly MLContext _context = TestDevice.NewContext(seed: 1);

    /// <summary>The tokens are single bytes: what a word's last one is read at is the word, and no more.</summary>
    [TestMethod]
    [DataRow("llama"), DataRow("qwen2"), DataRow("gpt2"), DataRow("opt"), DataRow("opt-350m")]
    public void AWordIsReadWhereItEnds(string modelType)
    {
        using var decoder = new TinyDecoder(modelType);
        using PeftTransformer model = Fit(decoder.Folder);
        object[] Scores(params string[] words) => (object[])Table.Read(model.Transform(Rows(new Row { Words = words })), "Score").Single();
        object[] whole = Scores("good", "film"), other = Scores("good", "book"), longer = Scores("goods", "film");
        CollectionAssert.AreEqual(whole[..2], other[..2], "What stands behind a word says nothing of it.");
        CollectionAssert.AreNotEqual(whole[2..], other[2..]);
        CollectionAssert.AreNotEqual(whole[..2], longer[..2], "The end of a word does.");
    }

    [TestMethod]
    [DataRow("gpt2", "classifier."), DataRow("llama", "score.")]
    public void TheClassifierIsCalledAsInTransformers(string modelType, string name)
    {
        using var decoder = new TinyDecoder(modelType);
        using var folder = new ScratchFolder();
        using PeftTransformer model = Fit(decoder.Folder);
        string saved = Path.Combine(folder.Root, "adapter");
        model.SaveAdapter(saved);
        using var file = SafetensorsFile.Open(Path.Combine(saved, "adapter_model.safetensors"));
        Assert.IsTrue(file.Entries.Keys.Any(tensor => tensor.Contains("model." + name, StringComparison.Ordinal)), string.Join(", ", file.Entries.Keys));
        using PeftTransformer again = _context.Peft().Lora(new LoraFineTune.Options { BaseModel = decoder.Folder, Task = PeftTask.TokenClassification("Words"), AdapterFolder = saved }).Fit(Labelled());
        Assert.IsNotNull(again);
    }

    private PeftTransformer Fit(string folder) =>
        _context.Peft().Lora(folder, PeftTask.TokenClassification("Words"), maxEpochs: 1, batchSize: 4).Fit(Labelled());

    private IDataView Labelled()
    {
        IDataView rows = Rows([.. Enumerable.Range(0, 8).Select(i => new Row { Words = ["good", i % 2 == 0 ? "film" : "book"], Kinds = ["quality", "thing"] })]);
        return _context.Transforms.Conversion.MapValueToKey("Label", "Kinds").Fit(rows).Transform(rows);
    }

    private IDataView Rows(params Row[] rows) => _context.Data.LoadFromEnumerable(rows);

    private sealed class Row
    {
        public string[] Words { get; set; } = [];

        public string[] Kinds { get; set; } = [];
    }
}
