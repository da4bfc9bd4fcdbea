using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Glm;

/// <summary>Blanks that are filled while somebody reads along, and how well a model knows pieces that are given.</summary>
[TestClass]
public sealed class GlmStreamTests
{
    private readonly MLContext _ml = TestDevice.NewContext(seed: 1);

    public static IEnumerable<object[]> Kinds => TinyGlm.Kinds.Select(kind => new object[] { kind });

    /// <summary>What comes bit by bit is what comes at once, and stands where it says.</summary>
    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public async Task PiecesComeAsTheyAreWritten(string kind)
    {
        using var glm = new TinyGlm(kind);
        const string Text = "[MASK] film is [MASK] and[sMASK]. The [MASK]";
        foreach (var options in new GenerationOptions[] { new() { MaxNewTokens = 6 }, new() { MaxNewTokens = 6, DoSample = true, Seed = 3, EosTokenIds = [] } })
        {
            using PeftTransformer model = _ml.Peft().ZeroShot(glm.Folder, PeftTask.FillBlanks(generation: options)).Fit(Texts([Text]));
            Filled whole = Fill(model, Text).Single();
            var updates = new List<BlankUpdate>();
            await foreach (BlankUpdate update in model.FillBlanksAsync(Text))
                updates.Add(update);
            CollectionAssert.AreEqual(updates.Select(update => update.Blank).Order().ToArray(), updates.Select(update => update.Blank).ToArray());
            BlankUpdate[][] pieces = [.. updates.GroupBy(update => update.Blank).Select(piece => piece.ToArray())];
            CollectionAssert.AreEqual(whole.Pieces, pieces.Select(piece => string.Concat(piece.Select(update => update.Text))).ToArray());
            CollectionAssert.AreEqual(whole.PieceOffsets, pieces.Select(piece => piece[0].Offset).ToArray());
            Assert.IsTrue(pieces.All(piece => piece[^1].IsLast && !piece[..^1].Any(update => update.IsLast)));
            Assert.IsTrue(updates.All(update => whole.FilledText.AsSpan(update.Offset).StartsWith(update.Text)));
            if (options.DoSample == true)
                Assert.IsGreaterThan(pieces.Length, updates.Count, "a piece comes in several bits");
        }
    }

    /// <summary>Who goes away early leaves the model free.</summary>
    [TestMethod]
    public async Task AStreamThatNobodyReadsOnEnds()
    {
        using var glm = new TinyGlm();
        using PeftTransformer model = _ml.Peft().ZeroShot(glm.Folder, PeftTask.FillBlanks(generation: new GenerationOptions { MaxNewTokens = 60 })).Fit(Texts(["[MASK]"]));
        await foreach (BlankUpdate _ in model.FillBlanksAsync("the [MASK]"))
            break;
        using var source = new CancellationTokenSource();
        await source.CancelAsync();
        await Assert.ThrowsAsync<OperationCanceledException>(async () =>
        {
            await foreach (BlankUpdate _ in model.FillBlanksAsync("the [MASK]", source.Token)) { }
        });
        Assert.HasCount(1, Fill(model, "the [MASK]"));
        model.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => model.FillBlanksAsync("the [MASK]"));
    }

    [TestMethod]
    public void WhatCannotBeStreamedIsRefused()
    {
        using var glm = new TinyGlm();
        using PeftTransformer beams = _ml.Peft().ZeroShot(glm.Folder, PeftTask.FillBlanks(generation: new GenerationOptions { NumBeams = 2 })).Fit(Texts(["[MASK]"]));
        Assert.Contains("NumBeams is 2", Assert.ThrowsExactly<ArgumentException>(() => beams.FillBlanksAsync("[MASK]")).Message);
        using PeftTransformer model = _ml.Peft().ZeroShot(glm.Folder, PeftTask.FillBlanks()).Fit(Texts(["[MASK]"]));
        Assert.Contains("no blank", Assert.ThrowsExactly<InvalidOperationException>(() => model.FillBlanksAsync("the film")).Message);
        using PeftTransformer prompts = _ml.Peft().Generate(glm.Folder).Fit(_ml.Data.LoadFromEnumerable([new { Prompt = "the film" }]));
        Assert.Contains("text-generation", Assert.ThrowsExactly<NotSupportedException>(() => prompts.FillBlanksAsync("[MASK]")).Message);
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void GivenPiecesAreEvaluated(string kind)
    {
        using var glm = new TinyGlm(kind);
        IDataView data = _ml.Data.LoadFromEnumerable(Enumerable.Repeat(
            new[] { new LearntRow("the film is [MASK] .", ["very good"]), new("the [MASK] is [MASK]", ["book", "bad"]), new("a book is [gMASK]", ["not a film"]) }, 8).SelectMany(row => row));
        using PeftTransformer model = _ml.Peft().FullFineTune(new FullFineTune.Options
        {
            BaseModel = glm.Folder, Task = PeftTask.FillBlanks(), ValidationSet = data, Training = new TrainingOptions { MaxEpochs = 30, BatchSize = 8, LearningRate = 1e-2 },
        }).Fit(data);
        IReadOnlyDictionary<string, double> first = model.Training!.History[0].Validation!, best = model.Training.BestMetrics!;
        Assert.AreEqual(Math.Exp(best[TrainingMetrics.Loss]), best[TrainingMetrics.Perplexity], 1e-6);
        Assert.AreEqual(1, best[TrainingMetrics.BlankAccuracy]);
        Assert.IsLessThan(1, first[TrainingMetrics.BlankAccuracy]);
    }

    private Filled[] Fill(PeftTransformer model, params string[] texts) => [.. _ml.Data.CreateEnumerable<Filled>(model.Transform(Texts(texts)), reuseRowObject: false)];

    private IDataView Texts(string[] texts) => _ml.Data.LoadFromEnumerable(texts.Select(text => new { Text = text }));

    private sealed record LearntRow(string Text, string[] Answers);

    private sealed class Filled
    {
        public string FilledText { get; set; } = "";

        public string[] Pieces { get; set; } = [];

        public int[] PieceOffsets { get; set; } = [];
    }
}
