using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Tasks;

/// <summary>Rows of which the longest length leaves nothing to learn are no rows without a label.</summary>
[TestClass]
public sealed class CutRowTests
{
    private readonly MLContext _context = TestDevice.NewContext(seed: 1);
    private readonly List<string> _log = [];

    [TestInitialize]
    public void Listen() => _context.Log += (_, message) => _log.Add(message.Message);

    [TestMethod]
    public void WordsWhoseTagsAreAllBeyondTheLength()
    {
        using var bert = new TinyBert();
        var cut = new Row { Words = ["the", "good", "film", "very", "bad"], Tags = ["", "", "", "", "B"] };
        var none = new Row { Words = ["the"], Tags = [""] };
        Row[] whole = [.. Enumerable.Range(0, 8).Select(i => new Row { Words = ["good", "bad"], Tags = ["O", "B"] })];
        PeftTask task = PeftTask.TokenClassification("Words", "Tags");
        Check(bert.Folder, task, 5, "'Tags'", Tagged([cut, none, cut]), Tagged([.. whole, cut, none, cut]));

        IDataView Tagged(Row[] rows)
        {
            IDataView tags = _context.Data.LoadFromEnumerable<Key>([new() { Value = "O" }, new() { Value = "B" }]);
            IDataView data = _context.Data.LoadFromEnumerable(rows);
            return _context.Transforms.Conversion.MapValueToKey("Tags", keyData: tags).Fit(data).Transform(data);
        }
    }

    [TestMethod]
    public void CompletionsBeyondTheLength()
    {
        using var decoder = new TinyDecoder();
        var cut = new Row { Prompt = "a prompt of many words", Completion = "yes" };
        var none = new Row { Prompt = "a", Completion = "" };
        Row[] whole = [.. Enumerable.Range(0, 8).Select(i => new Row { Prompt = "a", Completion = "b" })];
        Check(decoder.Folder, PeftTask.TextGeneration(), 5, "'Completion'", Data([cut, none, cut]), Data([.. whole, cut, none, cut]));
    }

    [TestMethod]
    public void TextsOfWhichSpecialTokensAloneAreLeft()
    {
        using var bert = new TinyBert();
        IDataView data = Data([new Row { Text = "good film" }, new Row { Text = "" }, new Row { Text = "bad book" }]);
        Check(bert.Folder, PeftTask.MaskedLanguageModelling(), 2, "'Text'", data, null);
    }

    /// <summary>A tokenizer makes nothing of a zero-width character, or of nothing.</summary>
    [TestMethod]
    public void WordsWithoutAPieceStayWithoutALabel()
    {
        using var bert = new TinyBert();
        IDataView data = LabelledRows.Data(_context, "film", "book");
        using PeftTransformer model = Fit(bert.Folder, LabelledRows.Task(words: true), 6, data);
        IDataView rows = Data([new Row { Words = ["good", "\u200b", "film", "", "bad", "the", "book"] }]);
        var labels = (object[])Table.Read(model.Transform(rows), "PredictedLabel")[0];
        CollectionAssert.AreEqual(new[] { true, false, true, false, true, true, false }, labels.Select(label => (double)label > 0).ToArray());
    }

    private void Check(string folder, PeftTask task, int length, string column, IDataView lost, IDataView? some)
    {
        string message = Assert.ThrowsExactly<InvalidOperationException>(() => Fit(folder, task, length, lost)).Message;
        foreach (string part in new[] { $"1 rows without a value in column {column}", $"2 of which the longest length of {length} tokens", "MaxLength" })
            Assert.Contains(part, message);
        if (some is null)
            return;
        using PeftTransformer model = Fit(folder, task, length, some);
        Assert.Contains(line => line.Contains($"1 rows of the training data have no value in column {column}", StringComparison.Ordinal), _log);
        Assert.Contains(line => line.Contains($"2 rows of the training data, of which the longest length of {length} tokens", StringComparison.Ordinal), _log);
    }

    private PeftTransformer Fit(string folder, PeftTask task, int length, IDataView data) => _context.Peft().Lora(new LoraFineTune.Options
    {
        BaseModel = folder, Task = task, MaxLength = length, Training = new TrainingOptions { MaxEpochs = 1 },
    }).Fit(data);

    private IDataView Data(Row[] rows) => _context.Data.LoadFromEnumerable(rows);

    private sealed class Key
    {
        public string Value { get; set; } = "";
    }

    private sealed class Row
    {
        public string Text { get; set; } = "";

        public string Prompt { get; set; } = "";

        public string Completion { get; set; } = "";

        public string[] Words { get; set; } = [];

        public string[] Tags { get; set; } = [];
    }
}
