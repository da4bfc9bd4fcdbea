using System.Text.Json.Nodes;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tests.Training;

namespace Microsoft.ML.Peft.Tests.Estimators;

/// <summary>An encoder-decoder through ML.NET: the encoder reads the prompt, the decoder writes the completion.</summary>
[TestClass]
public sealed class TextToTextTests
{
    private static readonly Pair[] s_pairs = [new("1", "one"), new("2", "two"), new("what is 6", "six")];

    private readonly MLContext _ml = TestDevice.NewContext(seed: 1);

    [TestMethod]
    [DataRow(false, true)]
    [DataRow(true, true)]
    [DataRow(false, false)]
    [DataRow(true, false)]
    public void ItLearnsWhatToAnswer(bool gated, bool lora)
    {
        using var folder = new TinyT5(gated ? TinyT5.Gated : null);
        var training = new TrainingOptions { MaxEpochs = 30, BatchSize = 8, LearningRate = 1e-2 };
        PeftTask task = Task(new GenerationOptions { MaxNewTokens = 8 });
        FineTuneEstimator estimator = lora
            ? _ml.Peft().Lora(new LoraFineTune.Options
            {
                BaseModel = folder.Folder, Task = task, Training = training, Lora = new() { Rank = 16, Alpha = 32, TargetModules = [LoraOptions.AllLinear] },
            })
            : _ml.Peft().FullFineTune(new FullFineTune.Options { BaseModel = folder.Folder, Task = task, Training = training });
        using PeftTransformer model = estimator.Fit(Pairs([.. Enumerable.Repeat(s_pairs, 16).SelectMany(p => p), new("skipped", "")]));
        string[] expected = [.. s_pairs.Select(pair => pair.Completion)];
        IDataView test = Pairs(s_pairs);
        Assert.AreEqual(string.Join('|', expected), string.Join('|', Read(model, test)));

        string file = Path.Combine(folder.Folder, "model.zip");
        _ml.Model.Save(model, test.Schema, file);
        ITransformer loaded = TestDevice.NewContext().Model.Load(file, out _);
        CollectionAssert.AreEqual(expected, Read(loaded, test));
        using var engine = _ml.Model.CreatePredictionEngine<Pair, Answer>(loaded);
        Assert.AreEqual("two", engine.Predict(new Pair("2", "")).GeneratedText);
    }

    /// <summary>The encoder reads the first half of PEFT's table, and the decoder what that makes of prompt and text.</summary>
    [TestMethod]
    public void APromptStandsBeforeTheEncodersTexts()
    {
        using var folder = new TinyT5();
        string adapter = Path.Combine(folder.Folder, "adapter");
        IDataView data = Pairs(s_pairs);
        var options = new PromptTune.Options
        {
            BaseModel = folder.Folder, Task = Task(new GenerationOptions { MaxNewTokens = 8 }), Prompt = new PromptOptions { VirtualTokens = 3 },
            Training = new TrainingOptions { MaxSteps = 6, LearningRate = 0.3 },
        };
        string[] expected, bare;
        using (PeftTransformer model = _ml.Peft().PromptTune(options).Fit(data))
        {
            model.SaveAdapter(adapter);
            expected = Read(model, data);
            model.Adapters.Activate(null);
            bare = Read(model, data);
        }
        CollectionAssert.AreNotEqual(bare, expected, "the prompt is not read");
        JsonNode config = JsonNode.Parse(File.ReadAllText(Path.Combine(adapter, "adapter_config.json")))!;
        Assert.AreEqual(2, (int)config["num_transformer_submodules"]!);
        using PeftTransformer read = _ml.Peft().Generate(folder.Folder, adapterFolder: adapter, generation: new GenerationOptions { MaxNewTokens = 8 }).Fit(data);
        CollectionAssert.AreEqual(expected, Read(read, data));
    }

    [TestMethod]
    public void AnAdapterFolderIsOneOfPefts()
    {
        using var folder = new TinyT5();
        string adapter = Path.Combine(folder.Folder, "adapter");
        IDataView data = Pairs(s_pairs);
        string[] expected;
        using (PeftTransformer model = _ml.Peft().Lora(Options(folder)).Fit(data))
        {
            model.SaveAdapter(adapter);
            expected = Read(model, data);
        }
        Assert.AreEqual("SEQ_2_SEQ_LM", (string?)JsonNode.Parse(File.ReadAllText(Path.Combine(adapter, "adapter_config.json")))!["task_type"]);
        using PeftTransformer read = _ml.Peft().Generate(folder.Folder, adapterFolder: adapter).Fit(data);
        CollectionAssert.AreEqual(expected, Read(read, data));
    }

    [TestMethod]
    public void ARunThatWasStoppedGoesOn()
    {
        using var folder = new TinyT5();
        IDataView data = Pairs([.. Enumerable.Repeat(s_pairs, 4).SelectMany(p => p)]);
        double[] whole = Losses(Options(folder));
        LoraFineTune.Options options = Options(folder);
        using var stop = new CancellationTokenSource();
        options.Training.CheckpointFolder = Path.Combine(folder.Folder, "checkpoint");
        options.Training.CancellationToken = stop.Token;
        options.Training.Progress = new TinyRun.Callback(progress =>
        {
            if (progress.Step == 3)
                stop.Cancel();
        });
        Assert.Throws<OperationCanceledException>(() => _ml.Peft().Lora(options).Fit(data));
        options.Training.CancellationToken = default;
        double[] rest = Losses(options);
        Assert.HasCount(whole.Length - 3, rest);
        CollectionAssert.AreEqual(whole[3..], rest);

        double[] Losses(LoraFineTune.Options options)
        {
            var losses = new List<double>();
            options.Training.Progress = new TinyRun.Callback(progress => losses.Add(progress.Loss));
            _ml.Peft().Lora(options).Fit(data).Dispose();
            return [.. losses];
        }
    }

    [TestMethod]
    public void AnEstimateIsMade()
    {
        using var folder = new TinyT5();
        TrainingEstimate estimate = _ml.Peft().Lora(Options(folder)).Estimate(Pairs(s_pairs));
        Assert.IsGreaterThan(0, estimate.ActivationBytes);
        Assert.IsGreaterThan(TimeSpan.Zero, estimate.TimePerEpoch);
    }

    /// <summary>A row writes what it writes alone, whatever else is in its batch, and draws from a stream that its prompt names.</summary>
    [TestMethod]
    [DataRow(1, false)]
    [DataRow(3, false)]
    [DataRow(1, true)]
    public void RowsWriteWhatTheyWriteAlone(int beams, bool samples)
    {
        using var folder = new TinyT5();
        PeftTask task = Task(new GenerationOptions
        {
            MaxNewTokens = 6, NumBeams = beams, NumReturnSequences = samples ? 4 : beams, DoSample = samples, Seed = samples ? 7 : null, Temperature = samples ? 5 : null,
        });
        using PeftTransformer model = _ml.Peft().Generate(new TextCompleter.Options { BaseModel = folder.Folder, Task = task }).Fit(Pairs(s_pairs));
        Pair[] rows = [.. s_pairs, new("a longer prompt of many characters", ""), new("", "")];
        object[] together = [.. Texts(rows)], alone = [.. rows.SelectMany(row => Texts([row]))];
        CollectionAssert.AreEqual(alone, together);
        if (samples)
            Assert.IsGreaterThan(2, together.Distinct().Count(), "rows draw from one stream");

        IEnumerable<string> Texts(Pair[] rows) => samples || beams > 1
            ? _ml.Data.CreateEnumerable<Answers>(model.Transform(Pairs(rows)), false).Select(row => string.Join('|', row.GeneratedText))
            : Read(model, Pairs(rows));
    }

    [TestMethod]
    public void WhatIsTooLongIsCutAndCounted()
    {
        using var folder = new TinyT5();
        var log = new List<string>();
        _ml.Log += (_, message) => log.Add(message.Message);
        LoraFineTune.Options options = Options(folder);
        options.MaxLength = 6;
        _ml.Peft().Lora(options).Fit(Pairs([new("abc", "ok"), new("much too long", "ok"), new("a", "much too long"), new("b", "c")])).Dispose();
        Assert.IsTrue(log.Any(line => line.Contains("2 of 4", StringComparison.Ordinal)), string.Join('\n', log));
    }

    [TestMethod]
    public void ATokenizerMayComeAsASentencePieceModel()
    {
        using var folder = new TinyT5();
        File.Delete(Path.Combine(folder.Folder, "tokenizer.json"));
        File.WriteAllBytes(Path.Combine(folder.Folder, "spiece.model"), TinySentencePiece.Unigram(TinyT5.Pieces));
        using PeftTransformer model = _ml.Peft().Generate(folder.Folder).Fit(Pairs(s_pairs));
        using var json = new TinyT5();
        using PeftTransformer expected = _ml.Peft().Generate(json.Folder).Fit(Pairs(s_pairs));
        CollectionAssert.AreEqual(Read(expected, Pairs(s_pairs)), Read(model, Pairs(s_pairs)));
    }

    [TestMethod]
    public void WhatItCannotDoIsRefused()
    {
        using var folder = new TinyT5();
        IDataView reviews = Review.Load(_ml);
        Assert.Contains("sequence classification", Refused(PeftTask.TextClassification(), reviews));
        Assert.Contains("causal language modelling", Refused(PeftTask.CausalLanguageModelling(), reviews));
        Assert.Contains("needs a decoder", Assert.ThrowsExactly<NotSupportedException>(() => new PeftChatClient(folder.Folder)).Message);

        string Refused(PeftTask task, IDataView data) =>
            Assert.ThrowsExactly<NotSupportedException>(() => _ml.Peft().Lora(folder.Folder, task).Fit(data)).Message;
    }

    /// <summary>With nothing to write, it is its encoder.</summary>
    [TestMethod]
    public void TextsAreEmbeddedByTheEncoder()
    {
        using var folder = new TinyT5();
        IDataView data = Review.Load(_ml, 3);
        using PeftTransformer model = _ml.Peft().Embed(folder.Folder).Fit(data);
        Assert.HasCount(32, (object[])Table.Read(model.Transform(data), "Embedding")[0]);
    }

    private static PeftTask Task(GenerationOptions? generation = null) => PeftTask.TextGeneration(generation: generation);

    private static LoraFineTune.Options Options(TinyT5 folder) => new()
    {
        BaseModel = folder.Folder, Task = Task(), Training = new TrainingOptions { MaxEpochs = 3, BatchSize = 4, LearningRate = 1e-2 },
    };

    private IDataView Pairs(Pair[] pairs) => _ml.Data.LoadFromEnumerable(pairs);

    private string[] Read(ITransformer model, IDataView data) =>
        [.. _ml.Data.CreateEnumerable<Answer>(model.Transform(data), false).Select(row => row.GeneratedText)];

    private sealed class Pair(string prompt, string completion)
    {
        public Pair() : this("", "")
        {
        }

        public string Prompt { get; set; } = prompt;

        public string Completion { get; set; } = completion;
    }

    private sealed class Answer
    {
        public string GeneratedText { get; set; } = "";
    }

    private sealed class Answers
    {
        public string[] GeneratedText { get; set; } = [];
    }
}
