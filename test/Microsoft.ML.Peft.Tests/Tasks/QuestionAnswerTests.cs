using System.Text.Json.Nodes;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Tasks;

/// <summary>Answers out of a text: windows, places, no answer, archives, adapters, and what is refused.</summary>
[TestClass]
public sealed class QuestionAnswerTests
{
    private readonly MLContext _ml = TestDevice.NewContext(seed: 1);
    private readonly TinyBert _bert = new(change: config => config["architectures"] = new JsonArray("BertModel"));

    [TestCleanup]
    public void DeleteModel() => _bert.Dispose();

    /// <summary>The answer is the word behind "the", wherever it stands, in contexts of one window and of several.</summary>
    [TestMethod]
    public void ItLearnsWhereAnswersStand()
    {
        IDataView rows = Data(Rows(48));
        using PeftTransformer model = Fit(rows, epochs: 40);
        IDataView scored = model.Transform(rows);
        SquadScore score = _ml.Peft().EvaluateAnswers(scored, "TrainingAnswer");
        Assert.IsGreaterThan(0.9, score.F1, $"{score}");
        Found[] found = [.. _ml.Data.CreateEnumerable<Found>(scored, false)];
        foreach (Found row in found)
        {
            Assert.HasCount(3, row.Answer);
            Assert.IsTrue(row.Score[0] >= row.Score[1] && row.Score.Sum() <= 1.0001f);
            for (int i = 0; i < 3; i++)
                Assert.AreEqual(row.Answer[i], row.Context.Substring(row.PredictedIndex[i], row.Answer[i].Length), "answers stand at their places");
        }
        string file = Path.Combine(_bert.Folder, "model.zip");
        _ml.Model.Save(model, rows.Schema, file);
        ITransformer loaded = TestDevice.NewContext().Model.Load(file, out _);
        using var engine = _ml.Model.CreatePredictionEngine<Row, Found>(loaded);
        foreach (var (row, expected) in Rows(4).Zip(found))
            CollectionAssert.AreEqual(expected.Answer, engine.Predict(row).Answer);
    }

    /// <summary>Virtual tokens stand before question and context: places are still those of the text.</summary>
    [TestMethod]
    [DataRow("prompt"), DataRow("prefix")]
    public void SoftPromptsLearnWhereAnswersStand(string method)
    {
        IDataView rows = Data(Rows(48));
        FineTuneEstimator estimator = method == "prompt"
            ? _ml.Peft().PromptTune(Of(new PromptTune.Options { Prompt = new PromptOptions { VirtualTokens = 3 } }))
            : _ml.Peft().PTuneV2(Of(new PTuneV2.Options { Prefix = new PrefixOptions { VirtualTokens = 3 } }));
        using PeftTransformer model = estimator.Fit(rows);
        IDataView scored = model.Transform(rows);
        Assert.IsGreaterThan(0.6, _ml.Peft().EvaluateAnswers(scored, "TrainingAnswer").F1);
        foreach (Found row in _ml.Data.CreateEnumerable<Found>(scored, false))
            Assert.AreEqual(row.Answer[0], row.Context.Substring(row.PredictedIndex[0], row.Answer[0].Length));

        T Of<T>(T options)
            where T : FineTuneOptions
        {
            LoraFineTune.Options lora = Options();
            (options.BaseModel, options.Task, options.MaxLength, options.Training) = (lora.BaseModel, lora.Task, lora.MaxLength, lora.Training);
            (options.Training.MaxEpochs, options.Training.LearningRate) = (40, 5e-2);
            return options;
        }
    }

    /// <summary>A row has several windows, each an example of its own: a run that was cancelled goes on between them to the bit.</summary>
    [TestMethod]
    public void ACancelledFitGoesOn()
    {
        IDataView rows = Data(Rows(24));
        string folder = Path.Combine(_bert.Folder, "checkpoints");
        using PeftTransformer whole = Fit(rows, epochs: 2);
        using var source = new CancellationTokenSource();
        LoraFineTune.Options options = Options();
        (options.Training.CheckpointFolder, options.Training.CancellationToken) = (folder, source.Token);
        options.Training.Progress = new Training.TinyRun.Callback(progress =>
        {
            if (progress.Step == 3)
                source.Cancel();
        });
        Assert.ThrowsExactly<OperationCanceledException>(() => _ml.Peft().Lora(options).Fit(rows));
        (options.Training.CancellationToken, options.Training.Progress) = (default, null);
        using PeftTransformer resumed = _ml.Peft().Lora(options).Fit(rows);
        Assert.IsGreaterThan(3, whole.Training!.Steps);
        Assert.AreEqual(whole.Training.Steps, resumed.Training!.Steps);
        Table.AreClose(Table.Read(whole.Transform(rows), "Score"), Table.Read(resumed.Transform(rows), "Score"), 0, "scores");
    }

    [TestMethod]
    public void AValidationSetIsJudgedByAnswers()
    {
        LoraFineTune.Options options = Options();
        options.ValidationSet = Data(Rows(6));
        options.Training.EarlyStoppingMetric = TrainingMetrics.F1;
        using PeftTransformer model = _ml.Peft().Lora(options).Fit(Data(Rows(8)));
        Assert.IsTrue(model.Training!.BestMetrics!.Keys.ToHashSet().IsSupersetOf([TrainingMetrics.ExactMatch, TrainingMetrics.F1]));
        double found = model.Training.BestMetrics[TrainingMetrics.F1];
        Assert.AreEqual(_ml.Peft().EvaluateAnswers(model.Transform(options.ValidationSet), "TrainingAnswer").F1, found, 1e-9);
    }

    [TestMethod]
    public void ATextMayHoldNoAnswer()
    {
        Row[] rows = [.. Rows(24), .. Enumerable.Range(0, 24).Select(i => new Row { Context = Words(i), Question = "good", AnswerIndex = -1 })];
        PeftTask task = Task(allowNoAnswer: true);
        using PeftTransformer model = Fit(Data(rows), epochs: 40, task);
        Assert.IsGreaterThan(0.9, _ml.Peft().EvaluateAnswers(model.Transform(Data(rows)), "TrainingAnswer").ExactMatch);
        Found none = _ml.Data.CreateEnumerable<Found>(model.Transform(Data(rows[^1..])), false).Single();
        Assert.AreEqual(("", -1), (none.Answer[0], none.PredictedIndex[0]));

        // Without the option such rows teach nothing, and are counted.
        var log = new List<string>();
        _ml.Log += (_, message) => log.Add(message.Message);
        Fit(Data(rows), epochs: 1).Dispose();
        Assert.Contains(line => line.Contains("24 rows of the training data have no value in columns 'TrainingAnswer'", StringComparison.Ordinal), log);
    }

    /// <summary>SQuAD's files count code points, and .NET UTF-16 units: an astral character is one, and two.</summary>
    [TestMethod]
    public void PlacesAreConverted()
    {
        const string Context = "a \U0001F3AC film, the \U0001F3AC book";
        string file = Path.Combine(_bert.Folder, "squad.json");
        File.WriteAllText(file, $$$"""
            {"version": "v2.0", "data": [{"title": "T", "paragraphs": [{"context": "{{{Context}}}", "qas": [
              {"id": "1", "question": "good", "answers": [{"text": "film", "answer_start": 4}, {"text": "\ud83c\udfac film", "answer_start": 2}]},
              {"id": "2", "question": "bad", "answers": [{"text": "book", "answer_start": 16}]},
              {"id": "3", "question": "fine", "is_impossible": true, "answers": [], "plausible_answers": [{"text": "book", "answer_start": 16}]}]}]}]}
            """);
        IReadOnlyList<SquadQuestion> read = SquadFile.Read(file);
        CollectionAssert.AreEqual(new[] { 5, 18, -1 }, read.Select(question => question.AnswerIndex).ToArray());
        CollectionAssert.AreEqual(new[] { "film", "\U0001F3AC film" }, read[0].Answers);
        Assert.AreEqual(("", "T", "3"), (read[2].TrainingAnswer, read[2].Title, read[2].Id));
        foreach (SquadQuestion question in read.Take(2))
            Assert.AreEqual(question.TrainingAnswer, Context.Substring(question.AnswerIndex, 4));
        using PeftTransformer model = Fit(_ml.Data.LoadFromEnumerable(read), epochs: 1);
        foreach (Found row in _ml.Data.CreateEnumerable<Found>(model.Transform(_ml.Data.LoadFromEnumerable(read)), false))
            Assert.AreEqual(row.Answer[0], Context.Substring(row.PredictedIndex[0], row.Answer[0].Length));

        var counted = new Row { Context = Context, Question = "good", TrainingAnswer = "book", AnswerIndex = 16 };
        string message = Assert.ThrowsExactly<InvalidOperationException>(() => Fit(Data([.. Rows(2), counted]), epochs: 1)).Message;
        foreach (string part in new[] { "Row 2", "'book'", "'Context'", "16", "'AnswerIndex'", "code points", "SquadFile" })
            Assert.Contains(part, message);
        File.WriteAllText(file, """{"data": [{"paragraphs": [{"qas": [{"question": "?"}]}]}]}""");
        Assert.Contains("'context'", Assert.ThrowsExactly<InvalidDataException>(() => SquadFile.Read(file)).Message);
    }

    [TestMethod]
    [DataRow("film", 0, "where it has 'the '")]
    [DataRow("film", 40, "which is beyond it")]
    [DataRow("film", -1, "which is beyond it")]
    [DataRow("Film", 4, "where it has 'film'")]
    public void AnAnswerThatDoesNotStandInItsPlaceIsNamed(string answer, int index, string found)
    {
        var wrong = new Row { Context = "the film", Question = "good", TrainingAnswer = answer, AnswerIndex = index };
        string message = Assert.ThrowsExactly<InvalidOperationException>(() => Fit(Data([.. Rows(3), wrong]), epochs: 1)).Message;
        foreach (string part in new[] { "Row 3", $"'{answer}'", $"at {index} ", found })
            Assert.Contains(part, message);
    }

    [TestMethod]
    public void WhatCannotBeReadIsNamed()
    {
        using PeftTransformer model = Fit(Data(Rows(2)), epochs: 1);
        foreach (string context in new[] { "", " \n" })
        {
            string empty = Refused(new Row { Context = context, Question = "good", TrainingAnswer = "film", AnswerIndex = 0 });
            Assert.Contains("Row 1", empty);
            Assert.Contains("'Context' is empty", empty);
        }
        Assert.Contains("no token", Refused(new Row { Context = "\u200b", Question = "good" }));
        string full = Refused(new Row { Context = "the film and a book", Question = string.Join(' ', Enumerable.Repeat("good", 9)) });
        foreach (string part in new[] { "Row 1", "'Question'", "9 tokens", "room for 0", "MaxLength" })
            Assert.Contains(part, full);

        string Refused(Row row)
        {
            string scored = Assert.ThrowsExactly<InvalidOperationException>(() => Table.Read(model.Transform(Data([.. Rows(1), row])), "Answer")).Message;
            (row.TrainingAnswer, row.AnswerIndex) = row.Context.Length > 8 ? ("the", 0) : (row.Context, 0);
            if (row.TrainingAnswer.Length > 0)
                Assert.AreEqual(scored, Assert.ThrowsExactly<InvalidOperationException>(() => Fit(Data([.. Rows(1), row]), epochs: 1)).Message);
            return scored;
        }
    }

    [TestMethod]
    public void OptionsAreChecked()
    {
        foreach (Func<PeftTask> make in new Func<PeftTask>[]
        {
            () => PeftTask.QuestionAnswer(topK: 0), () => PeftTask.QuestionAnswer(topK: 21), () => PeftTask.QuestionAnswer(stride: -1),
            () => PeftTask.QuestionAnswer(maxAnswerLength: 0), () => PeftTask.QuestionAnswer(noAnswerThreshold: double.NaN),
        })
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => make());
        using var decoder = new TinyDecoder();
        Assert.Contains("question answering", Assert.ThrowsExactly<NotSupportedException>(
            () => _ml.Peft().Lora(decoder.Folder, PeftTask.QuestionAnswer()).Fit(Data(Rows(2)))).Message);
        Assert.Contains("'TrainingAnswer'", Assert.ThrowsExactly<ArgumentException>(() => _ml.Peft().EvaluateAnswers(Data(Rows(2)), "TrainingAnswer")).Message
            .Replace("'Answer'", "'TrainingAnswer'", StringComparison.Ordinal));
    }

    [TestMethod]
    public void AnAdapterFolderIsOneOfPefts()
    {
        IDataView rows = Data(Rows(6));
        string adapter = Path.Combine(_bert.Folder, "adapter");
        using PeftTransformer model = Fit(rows, epochs: 2);
        model.SaveAdapter(adapter);
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(adapter, "adapter_config.json")))!;
        Assert.AreEqual("QUESTION_ANS", (string?)config["task_type"]);
        using (SafetensorsFile file = SafetensorsFile.Open(Path.Combine(adapter, "adapter_model.safetensors")))
            Assert.Contains("base_model.model.qa_outputs.weight", file.Names.ToList());
        LoraFineTune.Options options = Options();
        (options.AdapterFolder, options.Lora, options.Training.LearningRate) = (adapter, new(), 1e-12);
        using PeftTransformer read = _ml.Peft().Lora(options).Fit(rows);
        Table.AreClose(Table.Read(model.Transform(rows), "Score"), Table.Read(read.Transform(rows), "Score"), 1e-4, "scores");
        // A merged folder is one of a model that answers questions, whose head is taken as it is.
        string merged = Path.Combine(_bert.Folder, "merged");
        model.SaveMergedModel(merged);
        Assert.AreEqual("BertForQuestionAnswering", (string?)JsonNode.Parse(File.ReadAllText(Path.Combine(merged, "config.json")))!["architectures"]![0]);
        options = Options();
        (options.BaseModel, options.Training.LearningRate) = (merged, 1e-12);
        using PeftTransformer again = _ml.Peft().Lora(options).Fit(rows);
        Table.AreClose(Table.Read(model.Transform(rows), "Score"), Table.Read(again.Transform(rows), "Score"), 1e-4, "scores of the merged model");
    }

    [TestMethod]
    public void TheBestSpansAreFound()
    {
        float[] starts = [9, 1, 3, 0, 2], ends = [9, 2, 0, 5, 4];
        // Token 0 is no part of a text; 1..3 is too long.
        TokenSpan[] found = [.. AnswerSpans.Best(starts, ends, token => token > 0, longest: 2, count: 3)];
        CollectionAssert.AreEqual(new TokenSpan[] { new(2, 3, 8), new(4, 4, 6), new(3, 3, 5) }, found);
        Assert.IsEmpty(AnswerSpans.Best(starts, ends, _ => false, longest: 2, count: 3));
    }

    private PeftTransformer Fit(IDataView rows, int epochs, PeftTask? task = null)
    {
        LoraFineTune.Options options = Options();
        (options.Task, options.Training.MaxEpochs) = (task ?? options.Task, epochs);
        return _ml.Peft().Lora(options).Fit(rows);
    }

    // Windows of 8 tokens, 2 of them shared.
    private LoraFineTune.Options Options() => new()
    {
        BaseModel = _bert.Folder, Task = Task(), MaxLength = 12, Lora = new() { Rank = 8, TargetModules = [LoraOptions.AllLinear] },
        Training = new TrainingOptions { MaxEpochs = 2, BatchSize = 8, LearningRate = 1e-2 },
    };

    private static PeftTask Task(bool allowNoAnswer = false) => PeftTask.QuestionAnswer(stride: 2, maxAnswerLength: 3, allowNoAnswer: allowNoAnswer);

    private IDataView Data(Row[] rows) => _ml.Data.LoadFromEnumerable(rows);

    private static Row[] Rows(int count) => [.. Enumerable.Range(0, count).Select(i =>
    {
        string before = Words(i), answer = i % 2 == 0 ? "film" : "book";
        return new Row
        {
            Context = $"{before} the {answer} {Words(i / 3)}", Question = "good", TrainingAnswer = answer, AnswerIndex = before.Length + " the ".Length,
        };
    })];

    private static string Words(int i) => string.Join(' ', Enumerable.Range(0, 1 + (i % 11)).Select(word => (i + word) % 3 == 0 ? "very" : "and"));

    private sealed class Row
    {
        public string Context { get; set; } = "";

        public string Question { get; set; } = "";

        public string TrainingAnswer { get; set; } = "";

        public int AnswerIndex { get; set; }
    }

    private sealed class Found
    {
        public string Context { get; set; } = "";

        public string[] Answer { get; set; } = [];

        public float[] Score { get; set; } = [];

        public int[] PredictedIndex { get; set; } = [];
    }
}
