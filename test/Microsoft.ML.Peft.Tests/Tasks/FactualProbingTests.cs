using Microsoft.ML.Data;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Peft.Tests.Tasks;

/// <summary>Factual probing: the likeliest tokens in a gap, out of the vocabulary or of candidates.</summary>
[TestClass]
public sealed class FactualProbingTests : IDisposable
{
    private readonly MLContext _ml = TestDevice.NewContext(seed: 1);
    private readonly TinyBert _bert = new(fillsMasks: true);

    public void Dispose() => _bert.Dispose();

    [TestMethod]
    public void AnswersComeInTheOrderOfTheirScores()
    {
        using PeftTransformer model = _ml.Peft().ZeroShot(_bert.Folder, PeftTask.FactualProbing("the {Subject} and {mask} .", answerCount: 13)).Fit(Facts());
        IDataView scored = model.Transform(Facts());
        float[][] scores = [.. scored.GetColumn<float[]>("Score")];
        string[][] answers = [.. scored.GetColumn<string[]>("PredictedAnswers")];
        for (int row = 0; row < scores.Length; row++)
        {
            CollectionAssert.AreEqual(scores[row].OrderDescending().ToArray(), scores[row]);
            Assert.AreEqual(1, scores[row].Sum(), 1e-4, "thirteen words are all that are not special");
            Assert.HasCount(13, answers[row].Distinct().ToArray());
            CollectionAssert.DoesNotContain(answers[row], "[MASK]");
        }
    }

    [TestMethod]
    public void CandidatesAloneAreAnswers()
    {
        PeftTask task = PeftTask.FactualProbing("the {Subject} and {mask} .", ["good", "bad", "fine"], answerCount: 3);
        using PeftTransformer model = _ml.Peft().ZeroShot(_bert.Folder, task).Fit(Facts());
        foreach (string[] answers in model.Transform(Facts()).GetColumn<string[]>("PredictedAnswers"))
            CollectionAssert.AreEquivalent(new[] { "good", "bad", "fine" }, answers);
    }

    [TestMethod]
    public void ARelationIsLearntWithAPrompt()
    {
        var options = new PromptTune.Options
        {
            BaseModel = _bert.Folder,
            Task = PeftTask.FactualProbing("{prompt:2} {Subject} {prompt:2} {mask}"),
            Prompt = new PromptOptions { VirtualTokens = 4, ModulesToSave = ["cls.predictions.transform.dense"] },
            Training = new TrainingOptions { MaxEpochs = 200, LearningRate = 5e-2, BatchSize = 4 },
            ValidationSet = Facts(),
        };
        using PeftTransformer model = _ml.Peft().PromptTune(options).Fit(Facts());
        IDataView scored = model.Transform(Facts());
        string[][] predicted = [.. scored.GetColumn<string[]>("PredictedAnswers")];
        string[] right = [.. scored.GetColumn<string>("Answer")];
        double first = TextMetrics.PrecisionAt(predicted, right, 1), ten = TextMetrics.PrecisionAt(predicted, right, 10);
        Assert.IsGreaterThanOrEqualTo(0.75, first);
        Assert.IsGreaterThanOrEqualTo(first, ten);
        Assert.AreEqual(first, model.Training!.History[^1].Validation![TrainingMetrics.PrecisionAt1], 1e-9);
        Assert.AreEqual(ten, model.Training!.History[^1].Validation![TrainingMetrics.PrecisionAt10], 1e-9);
    }

    [TestMethod]
    public void LongAnswersAreRefusedOrLeftOut()
    {
        Fact[] facts = [.. Rows(), new Fact { Subject = "film", Answer = "very good" }];
        IDataView data = _ml.Data.LoadFromEnumerable(facts);
        string message = Assert.Throws<InvalidOperationException>(() => _ml.Peft().Lora(_bert.Folder, PeftTask.FactualProbing("{Subject} {mask}")).Fit(data)).Message;
        Assert.Contains($"Row {facts.Length - 1}", message);
        Assert.Contains("cut into 'very', 'good'", message);
        Assert.Contains("none of the candidates", Assert.Throws<InvalidOperationException>(
            () => _ml.Peft().Lora(_bert.Folder, PeftTask.FactualProbing("{Subject} {mask}", ["the", "a"], answerCount: 2)).Fit(data)).Message);

        var notes = new List<string>();
        _ml.Log += (_, e) => { if (e.Kind == ChannelMessageKind.Info) notes.Add(e.Message); };
        using PeftTransformer model = _ml.Peft().Lora(_bert.Folder, PeftTask.FactualProbing("{Subject} {mask}", skipLongAnswers: true), maxEpochs: 1).Fit(data);
        Assert.IsTrue(notes.Any(note => note.Contains("1 rows are left out", StringComparison.Ordinal)), string.Join('\n', notes));
    }

    [TestMethod]
    public void WhatCannotBeIsRefused()
    {
        Assert.Contains("no {mask}", Assert.Throws<ArgumentException>(() => PeftTask.FactualProbing("{Subject}")).Message);
        Assert.Contains("answerCount is 10", Assert.Throws<ArgumentException>(() => PeftTask.FactualProbing("{mask}", ["a", "b"])).Message);
        Assert.Contains("cut into 'very', 'good'", Assert.Throws<ArgumentException>(
            () => _ml.Peft().ZeroShot(_bert.Folder, PeftTask.FactualProbing("{Subject} {mask}", ["very good", "bad"], answerCount: 1)).Fit(Facts())).Message);
        Assert.Contains("same token", Assert.Throws<ArgumentException>(
            () => _ml.Peft().ZeroShot(_bert.Folder, PeftTask.FactualProbing("{Subject} {mask}", ["bad", "Bad"], answerCount: 1)).Fit(Facts())).Message);
        using var decoder = new TinyDecoder();
        Assert.Contains("goes on behind the gap", Assert.Throws<ArgumentException>(
            () => _ml.Peft().ZeroShot(decoder.Folder, PeftTask.FactualProbing("{Subject} {mask} .")).Fit(Facts())).Message);
    }

    private static Fact[] Rows() =>
    [
        new() { Subject = "good", Answer = "bad" }, new() { Subject = "great", Answer = "poor" },
        new() { Subject = "fine", Answer = "awful" }, new() { Subject = "film", Answer = "book" },
    ];

    private IDataView Facts() => _ml.Data.LoadFromEnumerable(Rows());

    private sealed class Fact
    {
        public string Subject { get; set; } = "";

        public string Answer { get; set; } = "";
    }
}
