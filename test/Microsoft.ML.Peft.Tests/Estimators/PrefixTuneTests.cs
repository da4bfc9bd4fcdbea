using System.Text.Json.Nodes;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tuners;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Estimators;

/// <summary>Prefix tuning, P-tuning v2 and P-tuning through the public API: what they learn, their PEFT folders, what is refused.</summary>
[TestClass]
public sealed class PrefixTuneTests : IDisposable
{
    private readonly MLContext _ml = TestDevice.NewContext(seed: 1);
    private readonly TinyBert _bert = new();
    private readonly string _root = Directory.CreateTempSubdirectory("prefix-tune-").FullName;
    private readonly List<string> _log = [];

    public PrefixTuneTests() => _ml.Log += (_, message) => _log.Add(message.Message);

    public static IEnumerable<object[]> Methods => new[] { "prefix", "prefix-mlp", "prefix-text", "p-tuning-mlp", "p-tuning-lstm", "v2", "v2-mlp" }.Select(method => new object[] { method });

    private string Saved => Path.Combine(_root, "adapter");

    public void Dispose()
    {
        _bert.Dispose();
        Directory.Delete(_root, recursive: true);
    }

    [TestMethod]
    [DynamicData(nameof(Methods))]
    public void ItLearnsAndItsFolderGoesOutAndIn(string method)
    {
        IDataView data = Review.Load(_ml);
        var losses = new List<double>();
        using PeftTransformer first = Estimator(method, new TrainingOptions { MaxEpochs = 30, BatchSize = 8, LearningRate = 2e-2, Progress = new Training.TinyRun.Callback(step => losses.Add(step.Loss)) }).Fit(data);
        Assert.IsLessThan(0.9 * losses[0], losses[^1]);
        first.SaveAdapter(Saved);
        JsonNode config = Config();
        Assert.AreEqual(4, (int)config["num_virtual_tokens"]!);

        using PeftTransformer second = Estimator(method, Still, Saved).Fit(data);
        Table.AreClose(Table.Read(first.Transform(data), "Score"), Table.Read(second.Transform(data), "Score"), 1e-4, "scores");
        Directory.Move(Saved, Saved + "-first");
        second.SaveAdapter(Saved);
        Assert.IsTrue(JsonNode.DeepEquals(config, Config()), "the settings change on their way");

        string zip = Path.Combine(_root, "model.zip");
        _ml.Model.Save(first, data.Schema, zip);
        using var loaded = (PeftTransformer)_ml.Model.Load(zip, out _);
        Table.AreClose(Table.Read(first.Transform(data), "Score"), Table.Read(loaded.Transform(data), "Score"), 0, "scores of the .zip");
        Assert.AreEqual(first.TrainedWeights, loaded.TrainedWeights, "A network is gone once the run has ended.");
    }

    [TestMethod]
    [DynamicData(nameof(Methods))]
    public void AFitFromAFolderOfANetworkSaysThatItGoesOnFlat(string method)
    {
        IDataView data = Review.Load(_ml, 8);
        using (PeftTransformer first = Estimator(method, Still).Fit(data))
            first.SaveAdapter(Saved);
        Assert.IsFalse(_log.Any(IsNote));
        using PeftTransformer second = Estimator(method, Still, Saved).Fit(data);
        Assert.AreEqual(method is not ("prefix" or "prefix-text" or "v2"), _log.Any(IsNote), string.Join('\n', _log));

        static bool IsNote(string message) => message.Contains("goes on with the table itself", StringComparison.Ordinal);
    }

    [TestMethod]
    public void WhatTrainsIsCountedBefore()
    {
        using PeftTransformer model = Estimator("prefix-mlp", Still).Fit(Review.Load(_ml, 8));
        int at = _log.FindIndex(message => message.Contains("weights train", StringComparison.Ordinal));
        Assert.IsGreaterThanOrEqualTo(0, at, string.Join('\n', _log));
        Assert.IsLessThan(_log.FindIndex(message => message.Contains("Training on", StringComparison.Ordinal)), at, "before the first step");
    }

    [TestMethod]
    [DataRow("prefix"), DataRow("p-tuning-mlp")]
    public void AFolderOfAnotherModelIsRefusedWithEachSize(string method)
    {
        IDataView data = Review.Load(_ml, 8);
        using (PeftTransformer first = Estimator(method, Still).Fit(data))
            first.SaveAdapter(Saved);
        string file = Path.Combine(Saved, "adapter_config.json");
        JsonObject config = Config().AsObject();
        foreach (var (key, found, expected) in new[] { ("token_dim", 24, 16), ("num_layers", 3, 2), ("num_attention_heads", 4, 2), ("num_virtual_tokens", 6, 4), ("num_transformer_submodules", 2, 1) })
        {
            JsonObject other = config.DeepClone().AsObject();
            other[key] = found;
            File.WriteAllText(file, other.ToJsonString());
            string message = Assert.ThrowsExactly<InvalidDataException>(() => Estimator(method, Still, Saved).Fit(data), key).Message;
            Assert.Contains(key, message);
            Assert.Contains($"{found}", message, key);
            Assert.Contains($"{expected}", message, key);
        }
    }

    [TestMethod]
    public void OptionsThatContradictAFolderAreNamed()
    {
        using (PeftTransformer first = Estimator("prefix", Still).Fit(Review.Load(_ml, 8)))
            first.SaveAdapter(Saved);
        PrefixTune.Options options = new() { BaseModel = _bert.Folder, Task = PeftTask.TextClassification(), AdapterFolder = Saved, Prefix = new PrefixOptions { VirtualTokens = 5, Dropout = 0.2 } };
        string message = Assert.ThrowsExactly<ArgumentException>(() => _ml.Peft().PrefixTune(options)).Message;
        Assert.Contains("VirtualTokens is 5, the adapter's 4", message);
        options.Prefix = new PrefixOptions { Dropout = 0.2 };
        _ml.Peft().PrefixTune(options);
    }

    [TestMethod]
    public void AModelWithoutAttentionTakesNoPrefix()
    {
        using var weights = new ModelWeights(null, "base", CPU, 0.02, seed: 1);
        _ = new Projection(weights.Root["base"]["layer"], 4, 3, bias: false);
        using ITuner tuner = new PrefixOptions().Create();
        Assert.Contains("attends", Assert.ThrowsExactly<ArgumentException>(() => tuner.Attach(new TuningTarget(weights, ["layer"], []), seed: 1)).Message);

        using var uneven = new ModelWeights(null, "base", CPU, 0.02, seed: 1);
        _ = new AttentionSite(uneven.Root["a"], 0, 2, 8);
        _ = new AttentionSite(uneven.Root["b"], 1, 4, 8);
        using ITuner other = new PrefixOptions().Create();
        Assert.Contains("heads", Assert.ThrowsExactly<NotSupportedException>(() => other.Attach(new TuningTarget(uneven, [], []), seed: 1)).Message);
    }

    /// <summary>What kind each word is, which a prefix alone has to bring out of a base of random weights.</summary>
    [TestMethod]
    public void PromptsServeAClassifierOfEachToken()
    {
        string[][] texts = [["good", "film"], ["film", "good"], ["book", "bad"], ["bad", "film", "good"]];
        IDataView data = _ml.Data.LoadFromEnumerable(Enumerable.Range(0, 24).Select(i => texts[i % texts.Length])
            .Select(words => new { Words = words, Labels = Array.ConvertAll(words, word => word is "good" or "bad" ? "quality" : "thing") }));
        var options = new PTuneV2.Options
        {
            BaseModel = _bert.Folder, Task = PeftTask.TokenClassification("Words", "Labels"), Prefix = new PrefixOptions { VirtualTokens = 4 },
            Training = new TrainingOptions { MaxEpochs = 20, LearningRate = 5e-2 },
        };
        using var model = _ml.Transforms.Conversion.MapValueToKey("Labels").Append(_ml.Peft().PTuneV2(options)).Fit(data);
        Said[] rows = [.. _ml.Data.CreateEnumerable<Said>(model.Transform(data), reuseRowObject: false)];
        int right = rows.Sum(row => row.Labels.Zip(row.PredictedLabel).Count(pair => pair.First == pair.Second));
        Assert.AreEqual(rows.Sum(row => row.Labels.Length), right, "words whose kind is said");
    }

    private sealed class Said
    {
        public uint[] Labels { get; set; } = [];

        public uint[] PredictedLabel { get; set; } = [];
    }

    private static TrainingOptions Still => new() { MaxSteps = 1, LearningRate = 1e-9, BatchSize = 8 };

    private JsonNode Config() => JsonNode.Parse(File.ReadAllText(Path.Combine(Saved, "adapter_config.json")))!;

    private FineTuneEstimator Estimator(string method, TrainingOptions training, string? adapter = null)
    {
        int? tokens = adapter is null ? 4 : null;
        bool made = method.EndsWith("-mlp", StringComparison.Ordinal);
        PrefixOptions prefix = adapter is not null ? new() : method == "prefix-text"
            ? new() { VirtualTokens = tokens, Start = PrefixStart.Text, StartText = "a good film and a good day" } : new() { VirtualTokens = tokens, PrefixProjection = made, EncoderHiddenSize = made ? 24 : null };
        if (method.StartsWith("p-tuning", StringComparison.Ordinal))
        {
            PTuningOptions prompt = adapter is not null ? new() : new() { VirtualTokens = tokens, Encoder = made ? PTuningEncoder.Mlp : PTuningEncoder.Lstm };
            return _ml.Peft().PTune(Of(new PTune.Options { Prompt = prompt }));
        }
        return method.StartsWith("v2", StringComparison.Ordinal)
            ? _ml.Peft().PTuneV2(Of(new PTuneV2.Options { Prefix = prefix }))
            : _ml.Peft().PrefixTune(Of(new PrefixTune.Options { Prefix = prefix }));

        T Of<T>(T options)
            where T : FineTuneOptions
        {
            (options.BaseModel, options.Task, options.Training, options.AdapterFolder) = (_bert.Folder, PeftTask.TextClassification(), training, adapter);
            return options;
        }
    }
}
