using System.Text.Json.Nodes;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Runtime;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Estimators;

/// <summary>Prompt tuning through the public API: what it learns, its PEFT folder, and how long texts may be beside it.</summary>
[TestClass]
public sealed class PromptTuneTests : IDisposable
{
    private readonly MLContext _ml = TestDevice.NewContext(seed: 1);
    private readonly TinyBert _bert = new();
    private readonly string _root = Directory.CreateTempSubdirectory("prompt-tune-").FullName;

    private string Saved => Path.Combine(_root, "adapter");

    public void Dispose()
    {
        _bert.Dispose();
        Directory.Delete(_root, recursive: true);
    }

    [TestMethod]
    [DataRow(false), DataRow(true)]
    public void ItLearnsWithEitherReadingPlace(bool readsClassToken)
    {
        IDataView data = Review.Load(_ml);
        var options = Options(new PromptOptions { VirtualTokens = 4, ReadsClassToken = readsClassToken });
        var losses = new List<double>();
        options.Training = new TrainingOptions { MaxEpochs = 40, LearningRate = 0.1, Progress = new Training.TinyRun.Callback(progress => losses.Add(progress.Loss)) };
        using PeftTransformer model = _ml.Peft().PromptTune(options).Fit(data);
        Assert.IsLessThan(0.8 * losses[0], losses[^1]);
    }

    [TestMethod]
    public void APeftFolderGoesOutAndIn()
    {
        IDataView data = Review.Load(_ml);
        using PeftTransformer first = _ml.Peft().PromptTune(Options(new PromptOptions
        {
            VirtualTokens = 4, Start = VirtualTokenStart.Text, StartText = "good film", ReadsClassToken = false,
        })).Fit(data);
        first.SaveAdapter(Saved);
        JsonNode config = JsonNode.Parse(File.ReadAllText(Path.Combine(Saved, "adapter_config.json")))!;
        Assert.AreEqual("TEXT", (string?)config["prompt_tuning_init"]);
        Assert.AreEqual("good film", (string?)config["prompt_tuning_init_text"]);
        Assert.IsNotNull(config["tokenizer_name_or_path"], "PEFT refuses a text without a tokenizer's name");

        using PeftTransformer second = Further(data);
        Table.AreClose(Table.Read(first.Transform(data), "Score"), Table.Read(second.Transform(data), "Score"), 1e-4, "scores");
        Directory.Move(Saved, Saved + "-first");
        second.SaveAdapter(Saved);
        Assert.IsTrue(JsonNode.DeepEquals(config, JsonNode.Parse(File.ReadAllText(Path.Combine(Saved, "adapter_config.json")))), "the settings change on their way");
    }

    [TestMethod]
    public void AFoldersClassifierIsPutIntoTheTasksOrder()
    {
        IDataView data = Review.Load(_ml);
        using PeftTransformer first = _ml.Peft().PromptTune(Options(new PromptOptions { VirtualTokens = 4, ReadsClassToken = false })).Fit(data);
        first.SaveAdapter(Saved);
        IDataView turned = _ml.Transforms.Conversion.MapValueToKey("Label", keyOrdinality: Transforms.ValueToKeyMappingEstimator.KeyOrdinality.ByValue)
            .Fit(_ml.Data.LoadFromEnumerable(Review.Make(41))).Transform(_ml.Data.LoadFromEnumerable(Review.Make(41)));
        using PeftTransformer second = Further(turned);
        float[][] one = [.. first.Transform(data).GetColumn<float[]>("Score")], other = [.. second.Transform(turned).GetColumn<float[]>("Score")];
        for (int row = 0; row < one.Length; row++)
            Assert.AreEqual(one[row][0], other[row][1], 1e-4, $"row {row}");
    }

    [TestMethod]
    public void AHeadThatReadsTheClassTokenIsNoPeftFolder()
    {
        using PeftTransformer model = _ml.Peft().PromptTune(Options(new PromptOptions { VirtualTokens = 4, ReadsClassToken = true })).Fit(Review.Load(_ml));
        Assert.Contains("ReadsClassToken", Assert.ThrowsExactly<NotSupportedException>(() => model.SaveAdapter(Saved)).Message);
        Assert.IsFalse(Directory.Exists(Saved));
    }

    [TestMethod]
    public void OptionsThatContradictAFolderAreNamed()
    {
        using (PeftTransformer first = _ml.Peft().PromptTune(Options(new PromptOptions { VirtualTokens = 4, ReadsClassToken = false })).Fit(Review.Load(_ml)))
            first.SaveAdapter(Saved);
        PromptTune.Options options = Options(new PromptOptions { VirtualTokens = 5 });
        options.AdapterFolder = Saved;
        string message = Assert.ThrowsExactly<ArgumentException>(() => _ml.Peft().PromptTune(options)).Message;
        Assert.Contains("VirtualTokens is 5, the adapter's 4", message);
    }

    /// <summary>The model has 32 positions.</summary>
    [TestMethod]
    public void TheLimitCountsTokensOfTheTextBesideThePrompt()
    {
        IDataView data = Review.Load(_ml);
        using PeftTransformer model = _ml.Peft().PromptTune(Options(new PromptOptions { VirtualTokens = 8 })).Fit(data);
        Assert.AreEqual(24, model.Scorer.Task.MaxLength);

        PromptTune.Options wide = Options(new PromptOptions { VirtualTokens = 8 });
        wide.MaxLength = 25;
        string message = Assert.ThrowsExactly<ArgumentException>(() => _ml.Peft().PromptTune(wide).Fit(data)).Message;
        foreach (string named in new[] { "MaxLength is 25", "8 virtual tokens", "32 positions", "leave 24" })
            Assert.Contains(named, message);

        message = Assert.ThrowsExactly<ArgumentException>(() => _ml.Peft().PromptTune(Options(new PromptOptions { VirtualTokens = 32 })).Fit(data)).Message;
        Assert.Contains("32 virtual tokens", message);
        Assert.Contains("VirtualTokens", message);
    }

    [TestMethod]
    public void LongerTextsAreCutAndCounted()
    {
        var warnings = new List<string>();
        _ml.Log += (_, e) => { if (e.Kind == ChannelMessageKind.Warning) warnings.Add(e.Message); };
        PromptTune.Options options = Options(new PromptOptions { VirtualTokens = 24 });
        using PeftTransformer model = _ml.Peft().PromptTune(options).Fit(Review.Load(_ml));
        Assert.AreEqual(8, model.Scorer.Task.MaxLength);
        Assert.IsTrue(warnings.Any(warning => warning.Contains("longer than 8 tokens and are cut", StringComparison.Ordinal)), string.Join('\n', warnings));
    }

    [TestMethod]
    public void AFolderOfAnotherModelIsRefused()
    {
        using (PeftTransformer first = _ml.Peft().PromptTune(Options(new PromptOptions { VirtualTokens = 4, ReadsClassToken = false })).Fit(Review.Load(_ml)))
            first.SaveAdapter(Saved);
        string file = Path.Combine(Saved, "adapter_config.json");
        JsonObject config = JsonNode.Parse(File.ReadAllText(file))!.AsObject();
        foreach (var (key, found, expected) in new[] { ("token_dim", 24, 16), ("num_layers", 3, 2), ("num_attention_heads", 4, 2), ("num_virtual_tokens", 6, 4) })
        {
            JsonObject other = config.DeepClone().AsObject();
            other[key] = found;
            File.WriteAllText(file, other.ToJsonString());
            string message = Assert.ThrowsExactly<InvalidDataException>(() => Further(Review.Load(_ml)), key).Message;
            Assert.Contains($"{found}", message, key);
            Assert.Contains($"{expected}", message, key);
        }
    }

    private PromptTune.Options Options(PromptOptions prompt) => new()
    {
        BaseModel = _bert.Folder,
        Task = PeftTask.TextClassification(),
        Prompt = prompt,
        Training = new TrainingOptions { MaxSteps = 8, BatchSize = 8 },
    };

    // A rate of almost nothing: what is left is what was loaded.
    private PeftTransformer Further(IDataView data)
    {
        PromptTune.Options options = Options(new PromptOptions());
        options.AdapterFolder = Saved;
        options.Training = new TrainingOptions { MaxSteps = 1, LearningRate = 1e-9 };
        return _ml.Peft().PromptTune(options).Fit(data);
    }
}
