using System.Text.Json.Nodes;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Tasks;

/// <summary>Cloze classification over encoders and decoders: what is read, how answers are scored, what is refused.</summary>
[TestClass]
public sealed class ClozeClassificationTests : IDisposable
{
    private static readonly Dictionary<string, string> s_words = new() { ["positive"] = "great", ["negative"] = "awful" };

    private readonly MLContext _ml = TestDevice.NewContext(seed: 1);
    private readonly TinyBert _bert = new(fillsMasks: true);
    private readonly TinyDecoder _decoder = new();

    public void Dispose()
    {
        _bert.Dispose();
        _decoder.Dispose();
    }

    [TestMethod]
    public void AnEncoderSaysTheWordAtItsMask()
    {
        using PeftTransformer model = _ml.Peft().ZeroShot(_bert.Folder, PeftTask.ClozeClassification("{Text} and {mask} .", s_words)).Fit(Review.Load(_ml));
        TextTokenizer tokenizer = TextTokenizer.Load(_bert.Folder);
        int[] ids = [tokenizer.ClsId!.Value, .. Ids(tokenizer, "good film and"), tokenizer.MaskId!.Value, .. Ids(tokenizer, "."), tokenizer.SepId!.Value];
        using var scope = NewDisposeScope();
        float[] expected = Softmax(Logits(_bert.Folder, ids, Array.IndexOf(ids, tokenizer.MaskId.Value)), Ids(tokenizer, "great awful"));
        IDataView scored = model.Transform(_ml.Data.LoadFromEnumerable([new { Text = "good film" }]));
        Close(expected, Scores(scored));
        Assert.AreEqual(expected[0] > expected[1] ? 1u : 2u, scored.GetColumn<uint>("PredictedLabel").Single());
    }

    [TestMethod]
    public void ADecoderSaysWhatComesNext()
    {
        using PeftTransformer model = _ml.Peft().ZeroShot(_decoder.Folder, PeftTask.ClozeClassification("{Text}:{mask}", new Dictionary<string, string> { ["a"] = "x", ["b"] = "y" })).Fit(Review.Load(_ml));
        TextTokenizer tokenizer = TextTokenizer.Load(_decoder.Folder);
        int[] ids = [.. tokenizer.Marks.Before, .. Ids(tokenizer, "it:")];
        using var scope = NewDisposeScope();
        float[] expected = Softmax(Logits(_decoder.Folder, ids, ids.Length - 1), Ids(tokenizer, "xy"));
        Close(expected, Scores(model.Transform(_ml.Data.LoadFromEnumerable([new { Text = "it" }]))));
    }

    /// <summary>What a model is its class says, and no token of its tokenizer.</summary>
    [TestMethod]
    [DataRow("llama"), DataRow("gpt2")]
    public void ADecoderWithAMaskTokenGoesOn(string kind)
    {
        using var decoder = new TinyDecoder(kind);
        float[] without = Answered();
        SetMaskToken(decoder.Folder, "<pad>");
        Assert.IsNotNull(TextTokenizer.Load(decoder.Folder).MaskId);
        Close(without, Answered());

        float[] Answered()
        {
            PeftTask task = PeftTask.ClozeClassification("{Text}:{mask}", new Dictionary<string, string> { ["a"] = "x", ["b"] = "y" });
            using PeftTransformer model = _ml.Peft().ZeroShot(decoder.Folder, task).Fit(Review.Load(_ml));
            return Scores(model.Transform(_ml.Data.LoadFromEnumerable([new { Text = "it" }])));
        }
    }

    [TestMethod]
    public void AnEncoderWithoutAMaskTokenIsRefused()
    {
        SetMaskToken(_bert.Folder, null);
        Assert.Contains(
            "mask_token", Assert.ThrowsExactly<NotSupportedException>(() => _ml.Peft().ZeroShot(_bert.Folder, PeftTask.ClozeClassification("{Text} {mask}", s_words)).Fit(Review.Load(_ml))).Message);
    }

    [TestMethod]
    public void ADecoderScoresAnswersInTurnAndWhatFollows()
    {
        var answers = new Dictionary<string, string> { ["0"] = "{One}", ["1"] = "{Two}" };
        using PeftTransformer model = _ml.Peft().ZeroShot(_decoder.Folder, PeftTask.ClozeClassification("{Text} so {mask}!", answers, ClozeScoring.MeanOfTokens))
            .Fit(_ml.Data.LoadFromEnumerable(s_choices));
        TextTokenizer tokenizer = TextTokenizer.Load(_decoder.Folder);
        using var scope = NewDisposeScope();
        IDataView scored = model.Transform(_ml.Data.LoadFromEnumerable(s_choices));
        float[][] found = [.. scored.GetColumn<float[]>("Score")];
        for (int row = 0; row < s_choices.Length; row++)
        {
            float[] expected = Softmax([.. new[] { s_choices[row].One, s_choices[row].Two }.Select(answer =>
                Likelihood(tokenizer, $"{s_choices[row].Text} so", $" {answer}!"))]);
            Close(expected, found[row]);
        }
    }

    [TestMethod]
    public void AnEncoderScoresAnswersSideBySide()
    {
        var answers = new Dictionary<string, string> { ["positive"] = "very good", ["negative"] = "bad" };
        using PeftTransformer model = _ml.Peft().ZeroShot(_bert.Folder, PeftTask.ClozeClassification("{Text} {mask} .", answers, ClozeScoring.MeanOfTokens)).Fit(Review.Load(_ml));
        TextTokenizer tokenizer = TextTokenizer.Load(_bert.Folder);
        int mask = tokenizer.MaskId!.Value;
        using var scope = NewDisposeScope();
        float Mean(string answer)
        {
            int[] words = Ids(tokenizer, answer), ids = [tokenizer.ClsId!.Value, .. Ids(tokenizer, "good film"), .. words.Select(_ => mask), .. Ids(tokenizer, "."), tokenizer.SepId!.Value];
            return words.Select((word, i) => Logits(_bert.Folder, ids, 3 + i).log_softmax(-1)[word].item<float>()).Average();
        }
        Close(Softmax([Mean("very good"), Mean("bad")]), Scores(model.Transform(_ml.Data.LoadFromEnumerable([new { Text = "good film" }]))));
    }

    [TestMethod]
    [DataRow(ClozeScoring.OneToken), DataRow(ClozeScoring.MeanOfTokens)]
    public void ItLearnsAndIsSaved(ClozeScoring scoring)
    {
        IDataView data = Review.Load(_ml);
        var losses = new List<double>();
        using PeftTransformer model = _ml.Peft().Lora(new LoraFineTune.Options
        {
            BaseModel = _bert.Folder,
            Task = PeftTask.ClozeClassification("{Text} {mask} .", s_words, scoring),
            Lora = new LoraOptions { TargetModules = [LoraOptions.AllLinear] },
            Training = new TrainingOptions { MaxEpochs = 12, LearningRate = 2e-2, BatchSize = 8, Progress = new Training.TinyRun.Callback(progress => losses.Add(progress.Loss)) },
        }).Fit(data);
        Assert.IsLessThan(losses[0] / 2, losses[^1]);
        using var file = new MemoryStream();
        _ml.Model.Save(model, data.Schema, file);
        ITransformer loaded = _ml.Model.Load(file, out _);
        Table.AreClose(Table.Read(model.Transform(data), "Score"), Table.Read(loaded.Transform(data), "Score"), 1e-6, "scores");
        ((IDisposable)loaded).Dispose();
    }

    [TestMethod]
    public void LongColumnsAreCutAndThePatternStays()
    {
        TextTokenizer tokenizer = TextTokenizer.Load(_bert.Folder);
        var reader = new Peft.Tasks.ClozeReader(Peft.Tasks.ClozePattern.WithMask("{A} and {B} {mask} ."), tokenizer, maxLength: 9, Writing.AtMasks);
        Example row = reader.Open(name => name == "A" ? "good" : "bad bad bad film film film film");
        Assert.IsTrue(row.Truncated);
        Assert.AreEqual("[CLS] good and bad bad bad [MASK] . [SEP]", Text(tokenizer, row).Replace("[UNK]", ".", StringComparison.Ordinal));
        Assert.AreEqual(6, row.ReadPositions.Single());
    }

    [TestMethod]
    public void VirtualTokensStandWhereThePatternSays()
    {
        TextTokenizer tokenizer = TextTokenizer.Load(_bert.Folder);
        var reader = new Peft.Tasks.ClozeReader(Peft.Tasks.ClozePattern.WithMask("{prompt:2} {A} and {prompt:1} {mask}"), tokenizer, maxLength: 9, Writing.AtMasks);
        Example row = reader.Open(_ => "good");
        CollectionAssert.AreEqual(new[] { 1, 2, 5 }, row.Get(Fields.VirtualPlaces));
        Assert.AreEqual(6, row.ReadPositions.Single());
    }

    [TestMethod]
    [DataRow("{Text} it was", "no {mask}")]
    [DataRow("{mask} or {mask}", "2 {mask}s")]
    [DataRow("{Text it was {mask", "without the other brace")]
    [DataRow("{Text} } {mask}", "without the other brace")]
    [DataRow("{} {mask}", "without a name")]
    [DataRow("{prompt:0} {mask}", "number of virtual tokens")]
    public void APatternThatIsNoneIsRefused(string pattern, string named) =>
        Assert.Contains(named, Assert.Throws<ArgumentException>(() => PeftTask.ClozeClassification(pattern, s_words)).Message);

    [TestMethod]
    public void VerbalizersThatDoNotFitAreRefused()
    {
        IDataView data = Review.Load(_ml);
        void Refused(string named, string first, string second, string key = "negative", string pattern = "{Text} {mask}", ClozeScoring scoring = ClozeScoring.OneToken, string? folder = null)
        {
            string message = Assert.Throws<ArgumentException>(() => _ml.Peft().Lora(
                folder ?? _bert.Folder, PeftTask.ClozeClassification(pattern, new Dictionary<string, string> { ["positive"] = first, [key] = second }, scoring)).Fit(data)).Message;
            Assert.Contains(named, message);
        }
        Refused("'negative' have no verbalizer", "good", "bad", key: "other");
        Refused("have the same verbalizer 'good'", "good", " good");
        Refused("of the same token", "good", "GOOD");
        Refused("is cut into 'very', 'bad'", "good", "very bad");
        Refused("cut into 'Ġ', 'g'", "g", "b", folder: _decoder.Folder);
        Refused("goes on behind the gap", "g", "b", pattern: "{Text}{mask} and", folder: _decoder.Folder);
        Refused("has a column", "good", "{Text}");
        Refused("must be text", "good", "{mask}", scoring: ClozeScoring.MeanOfTokens);
        Refused("is empty", "good", " ");
        Refused("'Txt'", "good", "bad", pattern: "{Txt} {mask}");
        Refused("alone has", "good", "bad", pattern: string.Concat(Enumerable.Repeat("very ", 40)) + "{mask}");
        var three = new Dictionary<string, string>(s_words) { ["neutral"] = "fine" };
        Assert.Contains("'neutral'", Assert.Throws<ArgumentException>(() => _ml.Peft().Lora(_bert.Folder, PeftTask.ClozeClassification("{Text} {mask}", three)).Fit(data)).Message);
    }

    [TestMethod]
    public void AModelWithoutTheHeadAnswersNothingUntrained()
    {
        using var headless = new TinyBert();
        Assert.Contains("cls.predictions", Assert.ThrowsExactly<InvalidDataException>(
            () => _ml.Peft().ZeroShot(headless.Folder, PeftTask.ClozeClassification("{Text} {mask}", s_words)).Fit(Review.Load(_ml))).Message);
        Assert.Contains("text-classification", Assert.Throws<ArgumentException>(() => _ml.Peft().ZeroShot(_bert.Folder, PeftTask.TextClassification())).Message);
    }

    [TestMethod]
    public void PlacesForVirtualTokensNeedATunerThatFillsThem()
    {
        IDataView data = Review.Load(_ml);
        PeftTask task = PeftTask.ClozeClassification("{prompt:3} {Text} {prompt:2} {mask}", s_words);
        Assert.Contains("'lora' fills none", Assert.Throws<ArgumentException>(() => _ml.Peft().Lora(_bert.Folder, task).Fit(data)).Message);
        Assert.Contains("5 places", Assert.Throws<ArgumentException>(() => _ml.Peft().PromptTune(_bert.Folder, task, virtualTokens: 4).Fit(data)).Message);
        using PeftTransformer model = _ml.Peft().PromptTune(_bert.Folder, task, virtualTokens: 5, maxEpochs: 1).Fit(data);
        Assert.AreEqual(27, model.Scorer.Task.MaxLength);
        Assert.HasCount(2, Scores(model.Transform(_ml.Data.LoadFromEnumerable([new { Text = "good film" }]))));
    }

    [TestMethod]
    [DataRow(ClozeScoring.OneToken), DataRow(ClozeScoring.MeanOfTokens)]
    public void RowsUnderPromptsOfTheirOwnAnswerAsAlone(ClozeScoring scoring)
    {
        string root = Directory.CreateTempSubdirectory("cloze-").FullName;
        PeftTask task = PeftTask.ClozeClassification("{prompt:2} {Text} {prompt:1} {mask} .", s_words, scoring);
        PeftTransformer Fit(long seed) => TestDevice.NewContext((int)seed).Peft().PromptTune(new PromptTune.Options
        {
            BaseModel = _bert.Folder, Task = task, Prompt = new PromptOptions { VirtualTokens = 3 }, Training = new TrainingOptions { MaxSteps = 4, LearningRate = 0.3 },
        }).Fit(Review.Load(_ml));
        using PeftTransformer model = Fit(1);
        using (PeftTransformer other = Fit(2))
            other.SaveAdapter(Path.Combine(root, "other"));
        model.Adapters.Load("other", Path.Combine(root, "other"));
        string[] names = ["other", "default", "other", "default", "default", "other"];
        IDataView rows = _ml.Data.LoadFromEnumerable(names.Select((name, i) => new { Review.Make(6)[i].Text, Adapter = name }));
        float[][] together = [.. model.WithAdapterColumn("Adapter").Transform(rows).GetColumn<float[]>("Score")];
        foreach (string name in names.Distinct())
        {
            model.Adapters.Activate(model.Adapters[name]);
            float[][] alone = [.. model.Transform(rows).GetColumn<float[]>("Score")];
            for (int i = 0; i < names.Length; i++)
            {
                if (names[i] == name)
                    Close(alone[i], together[i]);
            }
        }
        Directory.Delete(root, recursive: true);
    }

    private static readonly Choice[] s_choices =
        [new() { Text = "it rained", One = "we got wet", Two = "we ate" }, new() { Text = "he fell", One = "ouch", Two = "the sun came out again" }];

    private static float[] Scores(IDataView scored) => scored.GetColumn<float[]>("Score").Single();

    private static int[] Ids(TextTokenizer tokenizer, string text) => tokenizer.Encode(text, addSpecialTokens: false).Ids;

    private static string Text(TextTokenizer tokenizer, Example row) => string.Join(' ', row.Ids.Select(tokenizer.TokenOf));

    private static float[] Softmax(Tensor logits, int[] tokens) => Softmax([.. tokens.Select(id => logits[id].item<float>())]);

    private static float[] Softmax(float[] logits)
    {
        double[] exponents = Array.ConvertAll(logits, logit => Math.Exp(logit - logits.Max()));
        return Array.ConvertAll(exponents, e => (float)(e / exponents.Sum()));
    }

    private static void SetMaskToken(string folder, string? token)
    {
        string file = Path.Combine(folder, "tokenizer_config.json");
        JsonObject settings = JsonNode.Parse(File.ReadAllText(file))!.AsObject();
        settings["mask_token"] = token;
        File.WriteAllText(file, settings.ToJsonString());
    }

    private static void Close(float[] expected, float[] found)
    {
        Assert.HasCount(expected.Length, found);
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], found[i], 1e-4, $"class {i}");
    }

    /// <summary>A model's logits over the vocabulary at one position of a row.</summary>
    private static Tensor Logits(string folder, int[] ids, int position)
    {
        using PretrainedModel model = Peft.Estimators.BaseModels.Open(folder, CPU, seed: 1);
        Head head = model is IMaskedLanguageModel masked ? masked.CreateMaskedLanguageModelHead() : model.As<ICausalLanguageModel>().CreateLanguageModelHead();
        using var noGrad = no_grad();
        using Batch batch = Batch.Collate([new Example { Ids = ids }], CPU, withLabels: false);
        return head.Forward(model.Features(batch, head, ForwardContext.Inference), batch, ForwardContext.Inference)[0, position];
    }

    /// <summary>The mean log-likelihood of a continuation's tokens, one by one.</summary>
    private float Likelihood(TextTokenizer tokenizer, string before, string answer)
    {
        int[] start = [.. tokenizer.Marks.Before, .. Ids(tokenizer, before)], own = Ids(tokenizer, answer);
        return own.Select((id, i) => Logits(_decoder.Folder, [.. start, .. own[..i]], start.Length + i - 1).log_softmax(-1)[id].item<float>()).Average();
    }

    private sealed class Choice
    {
        public string Text { get; set; } = "";

        public string One { get; set; } = "";

        public string Two { get; set; } = "";
    }
}
