using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Tests.Estimators;

/// <summary>What a model is taught to end with stops it, whichever file names it; one that cannot end says so.</summary>
[TestClass]
public sealed class EndTokenTests
{
    private readonly MLContext _ml = TestDevice.NewContext(seed: 1);
    private readonly List<string> _warnings = [];
    private readonly TinyDecoder _decoder = new();

    private sealed class Pair
    {
        public string Prompt { get; set; } = "";

        public string Completion { get; set; } = "";
    }

    private sealed class Chat
    {
        public string[] Messages { get; set; } = [];
    }

    private sealed class Answer
    {
        public string GeneratedText { get; set; } = "";
    }

    [TestInitialize]
    public void Listen() => _ml.Log += (_, message) =>
    {
        if (message.Kind == Microsoft.ML.Runtime.ChannelMessageKind.Warning)
            _warnings.Add(message.Message);
    };

    [TestCleanup]
    public void Delete() => _decoder.Dispose();

    [TestMethod]
    public void TheTokenizersEndStopsBesideTheFolders()
    {
        Write("generation_config.json", """{"eos_token_id": 200}""");
        using PeftTransformer model = Fit(PeftTask.TextGeneration(generation: new GenerationOptions { MaxNewTokens = 8 }), Pairs());
        CollectionAssert.AreEqual(new[] { "one", "two" }, Read(model, Pairs()));
        Assert.IsEmpty(_warnings.Where(w => w.Contains("end", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void TheFoldersEndIsTaughtWhereTheTokenizerHasNone()
    {
        Change("tokenizer_config.json", json => json["eos_token"] = null);
        Write("generation_config.json", """{"eos_token_id": [1, 200]}""");
        using PeftTransformer model = Fit(PeftTask.TextGeneration(generation: new GenerationOptions { MaxNewTokens = 8 }), Pairs());
        CollectionAssert.AreEqual(new[] { "one", "two" }, Read(model, Pairs()));
    }

    [TestMethod]
    public void AnAnswersEndStopsChats()
    {
        Change("tokenizer_config.json", json => json["chat_template"] = "{% for m in messages %}{{ m.role }}: {{ m.content }}{% if m.role == 'assistant' %}<s>{% endif %}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}");
        TextTokenizer tokenizer = TextTokenizer.Load(_decoder.Folder);
        Assert.AreEqual(tokenizer.BosId, EndTokens.OfTurn(tokenizer.ChatTemplate!, tokenizer));
        IDataView chats = _ml.Data.LoadFromEnumerable(Enumerable.Repeat(new Chat { Messages = ["hi", "yo"] }, 24));
        using PeftTransformer model = Fit(PeftTask.Chat(generation: new GenerationOptions { MaxNewTokens = 8 }), chats);
        Assert.AreEqual("yo", Read(model, _ml.Data.LoadFromEnumerable([new Chat { Messages = ["hi"] }]))[0]);
    }

    [TestMethod]
    [DataRow("text")]
    [DataRow("chat")]
    [DataRow("pretraining")]
    public void AModelThatCannotEndSaysSo(string task)
    {
        Change("config.json", json => json.Remove("eos_token_id"));
        Change("tokenizer_config.json", json =>
        {
            json["eos_token"] = null;
            json["chat_template"] = "{% for m in messages %}{{ m.content }}\n{% endfor %}";
        });
        using PeftTransformer model = task switch
        {
            "text" => Fit(PeftTask.TextGeneration(), Pairs(), epochs: 1),
            "chat" => Fit(PeftTask.Chat(), _ml.Data.LoadFromEnumerable(Enumerable.Repeat(new Chat { Messages = ["hi", "yo"] }, 4)), epochs: 1),
            _ => Fit(PeftTask.CausalLanguageModelling("Prompt"), Pairs(), epochs: 1),
        };
        Assert.HasCount(1, _warnings.Where(w => w.Contains("until its length ends it", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void WhatTheFilesSayIsPutTogether()
    {
        HfConfig config = HfConfig.Load(_decoder.Folder);
        Write("generation_config.json", """{"temperature": 0.5}""");
        CollectionAssert.AreEqual(new[] { 2 }, GenerationConfigFile.Load(_decoder.Folder, config).EosTokenIds!.ToArray());
        Write("generation_config.json", """{"eos_token_id": -1}""");
        Assert.IsEmpty(GenerationConfigFile.Load(_decoder.Folder, config).EosTokenIds!);
        GenerationSettings taught = GenerationSettings.Resolve(new(), new() { EosTokenIds = [7] }, [2]);
        CollectionAssert.AreEqual(new[] { 7, 2 }, taught.EosTokenIds.ToArray());
        Assert.IsEmpty(GenerationSettings.Resolve(new() { EosTokenIds = [] }, new() { EosTokenIds = [7] }, [2]).EosTokenIds);
        Write("generation_config.json", """{"eos_token_id": [2, 259]}""");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => GenerationConfigFile.Load(_decoder.Folder, config)).Message, "259");
    }

    private PeftTransformer Fit(PeftTask task, IDataView data, int epochs = 25) => _ml.Peft().Lora(new LoraFineTune.Options
    {
        BaseModel = _decoder.Folder,
        Task = task,
        Lora = new LoraOptions { Rank = 16, Alpha = 32, TargetModules = [LoraOptions.AllLinear] },
        Training = new TrainingOptions { MaxEpochs = epochs, BatchSize = 8, LearningRate = 1e-2 },
    }).Fit(data);

    private IDataView Pairs() => _ml.Data.LoadFromEnumerable(Enumerable.Repeat(
        new[] { new Pair { Prompt = "1: ", Completion = "one" }, new Pair { Prompt = "2: ", Completion = "two" } }, 24).SelectMany(pair => pair));

    private string[] Read(ITransformer model, IDataView data) =>
        [.. _ml.Data.CreateEnumerable<Answer>(model.Transform(_ml.Data.TakeRows(data, 2)), false).Select(row => row.GeneratedText)];

    private void Write(string file, string content) => File.WriteAllText(Path.Combine(_decoder.Folder, file), content);

    private void Change(string file, Action<JsonObject> change)
    {
        JsonObject json = JsonNode.Parse(File.ReadAllText(Path.Combine(_decoder.Folder, file)))!.AsObject();
        change(json);
        Write(file, json.ToJsonString());
    }
}
