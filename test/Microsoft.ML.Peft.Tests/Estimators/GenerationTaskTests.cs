using Microsoft.ML.Data;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Estimators;

/// <summary>Decoders that write, through ML.NET: completions, chats, schemas, archives.</summary>
[TestClass]
public sealed class GenerationTaskTests
{
    private readonly MLContext _ml = TestDevice.NewContext(seed: 1);

    private sealed class Pair
    {
        public string Prompt { get; set; } = "";

        public string Completion { get; set; } = "";
    }

    private sealed class Conversation
    {
        public string Messages { get; set; } = "";
    }

    private sealed class Answer
    {
        public string GeneratedText { get; set; } = "";
    }

    private sealed class Answers
    {
        public string[] GeneratedText { get; set; } = [];
    }

    [TestMethod]
    [DataRow("llama")]
    [DataRow("gpt2")]
    [DataRow("opt-350m")]
    public void ItLearnsWhatToAnswer(string modelType)
    {
        using var folder = new TinyDecoder(modelType);
        (string, string)[] pairs = [("1: ", "one"), ("2: ", "two"), ("three: ", "3")];
        IDataView data = Pairs(Enumerable.Repeat(pairs, 16).SelectMany(p => p).Append(("skipped: ", "")));
        using PeftTransformer model = _ml.Peft().Lora(new LoraFineTune.Options
        {
            BaseModel = folder.Folder,
            Task = PeftTask.TextGeneration(generation: new GenerationOptions { MaxNewTokens = 8 }),
            Lora = new LoraOptions { Rank = 16, Alpha = 32, TargetModules = [LoraOptions.AllLinear] },
            Training = new TrainingOptions { MaxEpochs = 25, BatchSize = 8, LearningRate = 1e-2 },
        }).Fit(data);
        IDataView test = Pairs(pairs);
        string[] expected = [.. pairs.Select(p => p.Item2)];
        CollectionAssert.AreEqual(expected, Read(model, test));

        string file = Path.Combine(folder.Folder, "model.zip");
        _ml.Model.Save(model, test.Schema, file);
        ITransformer loaded = TestDevice.NewContext().Model.Load(file, out _);
        CollectionAssert.AreEqual(expected, Read(loaded, test));
        using var engine = _ml.Model.CreatePredictionEngine<Pair, Answer>(loaded);
        Assert.AreEqual("two", engine.Predict(new Pair { Prompt = "2: " }).GeneratedText);
    }

    [TestMethod]
    public void ItLearnsWhatTheAssistantSays()
    {
        using var folder = new TinyDecoder();
        string[] chats = [Chat(("user", "hi"), ("assistant", "yo")), Chat(("user", "bye"), ("assistant", "go"))];
        IDataView data = Conversations(Enumerable.Repeat(chats, 24).SelectMany(c => c));
        using PeftTransformer model = _ml.Peft().Lora(new LoraFineTune.Options
        {
            BaseModel = folder.Folder,
            Task = PeftTask.Chat(generation: new GenerationOptions { MaxNewTokens = 8 }),
            Lora = new LoraOptions { Rank = 16, Alpha = 32, TargetModules = [LoraOptions.AllLinear] },
            Training = new TrainingOptions { MaxEpochs = 25, BatchSize = 8, LearningRate = 1e-2 },
        }).Fit(data);
        CollectionAssert.AreEqual(new[] { "yo", "go" }, Read(model, Conversations([Chat(("user", "hi")), Chat(("user", "bye"))])));
    }

    [TestMethod]
    public void SeveralTextsAreAVector()
    {
        using var folder = new TinyDecoder();
        var estimator = _ml.Peft().Generate(folder.Folder, generation: new GenerationOptions { MaxNewTokens = 4, NumBeams = 3, NumReturnSequences = 2 });
        IDataView data = Pairs([("a", ""), ("bcd", "")]);
        using PeftTransformer model = estimator.Fit(data);
        var type = (VectorDataViewType)model.Transform(data).Schema["GeneratedText"].Type;
        Assert.AreEqual(2, type.Size);
        Assert.IsTrue(_ml.Data.CreateEnumerable<Answers>(model.Transform(data), false).All(row => row.GeneratedText.Length == 2));
    }

    [TestMethod]
    public void BadInputIsNamed()
    {
        using var folder = new TinyDecoder();
        using PeftTransformer model = _ml.Peft().Generate(folder.Folder).Fit(Pairs([("a", "")]));
        var longest = Assert.ThrowsExactly<ArgumentException>(() => Read(model, Pairs([(new string('x', 200), "")])));
        StringAssert.Contains(longest.Message, "200");
        StringAssert.Contains(longest.Message, "128");

        using PeftTransformer chat = _ml.Peft().Generate(new TextCompleter.Options { BaseModel = folder.Folder, Task = PeftTask.Chat() }).Fit(Conversations(["[]"]));
        var json = Assert.ThrowsExactly<InvalidDataException>(() => Read(chat, Conversations(["{\"role\":"])));
        StringAssert.Contains(json.Message, "'Messages'");

        using var bert = new TinyBert();
        Assert.ThrowsExactly<NotSupportedException>(() => _ml.Peft().Generate(bert.Folder).Fit(Pairs([("a", "")])));
        Assert.ThrowsExactly<ArgumentException>(() => PeftTask.TextGeneration(generation: new GenerationOptions { Temperature = 0.5 }));
    }

    private IDataView Pairs(IEnumerable<(string Prompt, string Completion)> pairs) =>
        _ml.Data.LoadFromEnumerable(pairs.Select(p => new Pair { Prompt = p.Prompt, Completion = p.Completion }));

    private IDataView Conversations(IEnumerable<string> chats) => _ml.Data.LoadFromEnumerable(chats.Select(c => new Conversation { Messages = c }));

    private static string Chat(params (string Role, string Content)[] turns) =>
        System.Text.Json.JsonSerializer.Serialize(turns.Select(t => new { role = t.Role, content = t.Content }));

    private string[] Read(ITransformer model, IDataView data) =>
        [.. _ml.Data.CreateEnumerable<Answer>(model.Transform(data), false).Select(row => row.GeneratedText)];
}
