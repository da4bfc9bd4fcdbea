using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Glm;

/// <summary>GLM from text to text, over the three kinds of tokenizers of its published folders.</summary>
[TestClass]
public sealed class GlmTasksTests
{
    private readonly MLContext _ml = TestDevice.NewContext(seed: 1);

    public static IEnumerable<object[]> Kinds => TinyGlm.Kinds.Select(kind => new object[] { kind });

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void TheFoldersClassPutsTokensAroundTexts(string kind)
    {
        using var glm = new TinyGlm(kind);
        TextTokenizer tokenizer = glm.Tokenizer;
        BlankTokens roles = BlankTokens.Of(tokenizer);
        int[] ids = tokenizer.Encode("the film").Ids;
        Assert.AreEqual((roles.Cls, roles.EndOfText), (ids[0], ids[^1]));
        Assert.AreEqual("the film", tokenizer.Decode(ids).Trim());
        Assert.AreEqual(3, roles.Masks.Distinct().Count());
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void BlanksAreFilledInTheirOrder(string kind)
    {
        using var glm = new TinyGlm(kind);
        string[] texts = ["the film is [MASK] and [sMASK].", "a [MASK] book", "good [gMASK]", "the [MASK] book is [MASK] and very [MASK]."];
        PeftTask task = PeftTask.FillBlanks(generation: new GenerationOptions { MaxNewTokens = 4 });
        using PeftTransformer model = _ml.Peft().ZeroShot(glm.Folder, task).Fit(Texts(texts));
        Filled[] filled = Fill(model, texts);
        for (int i = 0; i < texts.Length; i++)
        {
            string rest = texts[i];
            foreach (string mask in new[] { "[MASK]", "[sMASK]", "[gMASK]" })
                rest = rest.Replace(mask, "\0", StringComparison.Ordinal);
            string[] parts = rest.Split('\0');
            Assert.AreEqual(parts.Length - 1, filled[i].Pieces.Length, texts[i]);
            Assert.AreEqual(string.Concat(parts.Zip([.. filled[i].Pieces, ""], (part, piece) => part + piece)), filled[i].FilledText);
            for (int blank = 0; blank < filled[i].Pieces.Length; blank++)
                Assert.AreEqual(filled[i].Pieces[blank], filled[i].FilledText.Substring(filled[i].PieceOffsets[blank], filled[i].Pieces[blank].Length));
        }
        // Alone as in a batch of texts with more blanks and fewer.
        CollectionAssert.AreEqual(filled.Select(row => row.FilledText).ToArray(), texts.Select(text => Fill(model, text)[0].FilledText).ToArray());
        CheckArchive(model, texts, filled);
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void PiecesAreLearnt(string kind)
    {
        using var glm = new TinyGlm(kind);
        LearntRow[] rows = [new("the film is [MASK] .", ["very good"]), new("the [MASK] is [MASK]", ["book", "bad"]), new("a book is [gMASK]", ["not a film"])];
        IDataView data = _ml.Data.LoadFromEnumerable(Enumerable.Repeat(rows, 8).SelectMany(row => row));
        using PeftTransformer model = _ml.Peft().FullFineTune(new FullFineTune.Options
        {
            BaseModel = glm.Folder, Task = PeftTask.FillBlanks(generation: new GenerationOptions { MaxNewTokens = 24 }),
            Training = new TrainingOptions { MaxEpochs = 40, BatchSize = 8, LearningRate = 1e-2 },
        }).Fit(data);
        CollectionAssert.AreEqual(
            new[] { "the film is very good .", "the book is bad", "a book is not a film" }, Fill(model, [.. rows.Select(row => row.Text)]).Select(row => row.FilledText).ToArray());
    }

    [TestMethod]
    public void APromptGoesOnWithABlankAtItsEnd()
    {
        using var glm = new TinyGlm();
        var options = new GenerationOptions { MaxNewTokens = 5, NumBeams = 3, NumReturnSequences = 2 };
        using PeftTransformer model = _ml.Peft().Generate(glm.Folder, generation: options).Fit(Prompts("the film", "the film is [MASK] good"));
        VBuffer<ReadOnlyMemory<char>>[] texts = [.. model.Transform(Prompts("the film", "the film[gMASK]", "the film is [MASK] good")).GetColumn<VBuffer<ReadOnlyMemory<char>>>("GeneratedText")];
        Assert.IsTrue(texts.All(text => text.Length == 2));
        Assert.AreEqual(texts[0].ToString(), texts[1].ToString());
        StringAssert.Contains(Thrown(() => model.Transform(Prompts("[MASK] and [MASK]")).GetColumn<VBuffer<ReadOnlyMemory<char>>>("GeneratedText").ToArray()), "2 blanks");
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void TextsAreClassifiedByAHead(string kind)
    {
        using var glm = new TinyGlm(kind);
        IDataView data = Review.Load(_ml, 32);
        using PeftTransformer model = _ml.Peft().Lora(new LoraFineTune.Options
        {
            BaseModel = glm.Folder, Task = PeftTask.TextClassification(), Training = new TrainingOptions { MaxEpochs = 12, BatchSize = 8, LearningRate = 1e-2 },
        }).Fit(data);
        Assert.AreEqual(1, _ml.MulticlassClassification.Evaluate(model.Transform(data)).MicroAccuracy);
    }

    [TestMethod]
    public void ATextWithoutABlankIsRefused() => StringAssert.Contains(Refused("the film"), "has no blank: it needs one of [MASK], [sMASK], [gMASK]");

    [TestMethod]
    public void MoreBlanksThanPositionsAreRefused() =>
        StringAssert.Contains(Refused(string.Concat(Enumerable.Repeat("[MASK]", 96))), "has 98 tokens with its 96 blanks, and the model reads 96");

    [TestMethod]
    public void ABlankInsideASpecialTokenIsRefused()
    {
        StringAssert.Contains(Refused("the [C[MASK]LS] film"), "has a blank inside the special token '[CLS]', at 6");
        StringAssert.Contains(Refused("the <|start[gMASK]ofpiece|> film"), "inside the special token '<|startofpiece|>'");
    }

    [TestMethod]
    public void OtherNumbersOfPiecesThanBlanksAreRefused()
    {
        using var glm = new TinyGlm();
        IDataView data = _ml.Data.LoadFromEnumerable([new LearntRow("a [MASK] and a [MASK]", ["book"])]);
        var options = new FullFineTune.Options { BaseModel = glm.Folder, Task = PeftTask.FillBlanks(), Training = new TrainingOptions { MaxSteps = 1 } };
        StringAssert.Contains(Thrown(() => _ml.Peft().FullFineTune(options).Fit(data)), "has 2 blanks, and column 'Answers' 1 texts");
    }

    [TestMethod]
    [DataRow("[sMASK]")]
    [DataRow("<|startofpiece|>")]
    [DataRow("[CLS]")]
    public void AFolderWithoutASpecialTokenIsRefused(string token)
    {
        using var glm = new TinyGlm(without: token);
        foreach (PeftTask task in new[] { PeftTask.FillBlanks(), PeftTask.ClozeClassification("{Text} {mask}", new Dictionary<string, string> { ["a"] = "a", ["b"] = "b" }) })
            StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(() => _ml.Peft().ZeroShot(glm.Folder, task).Fit(Review.Load(_ml))).Message, token);
    }

    [TestMethod]
    public void SeveralFilledTextsAreRefused() =>
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => PeftTask.FillBlanks(generation: new() { NumReturnSequences = 2, NumBeams = 2 })).Message, "NumReturnSequences is 2");

    [TestMethod]
    public void AModelThatFillsNoBlanksIsRefused()
    {
        using var decoder = new TinyDecoder();
        StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(() => _ml.Peft().ZeroShot(decoder.Folder, PeftTask.FillBlanks()).Fit(Texts(["a"]))).Message, "[MASK]");
    }

    private string Refused(string text)
    {
        using var glm = new TinyGlm();
        using PeftTransformer model = _ml.Peft().ZeroShot(glm.Folder, PeftTask.FillBlanks()).Fit(Texts([text]));
        return Thrown(() => Fill(model, text));
    }

    private static string Thrown(Action action)
    {
        Exception thrown = Assert.Throws<Exception>(action);
        while (thrown.InnerException is { } inner)
            thrown = inner;
        return thrown.Message;
    }

    private void CheckArchive(PeftTransformer model, string[] texts, Filled[] expected)
    {
        using var file = new TemporaryFile();
        _ml.Model.Save(model, Texts(texts).Schema, file.Path);
        using var loaded = (PeftTransformer)TestDevice.NewContext().Model.Load(file.Path, out _);
        CollectionAssert.AreEqual(expected.Select(row => row.FilledText).ToArray(), Fill(loaded, texts).Select(row => row.FilledText).ToArray());
    }

    private Filled[] Fill(PeftTransformer model, params string[] texts) => [.. _ml.Data.CreateEnumerable<Filled>(model.Transform(Texts(texts)), reuseRowObject: false)];

    private IDataView Texts(string[] texts) => _ml.Data.LoadFromEnumerable(texts.Select(text => new TextRow(text)));

    private IDataView Prompts(params string[] prompts) => _ml.Data.LoadFromEnumerable(prompts.Select(prompt => new PromptRow(prompt)));

    private sealed record TextRow(string Text);

    private sealed record PromptRow(string Prompt);

    private sealed record LearntRow(string Text, string[] Answers);

    private sealed class Filled
    {
        public string FilledText { get; set; } = "";

        public string[] Pieces { get; set; } = [];

        public int[] PieceOffsets { get; set; } = [];
    }

    private sealed class TemporaryFile : IDisposable
    {
        public string Path { get; } = System.IO.Path.GetTempFileName();

        public void Dispose() => File.Delete(Path);
    }
}
