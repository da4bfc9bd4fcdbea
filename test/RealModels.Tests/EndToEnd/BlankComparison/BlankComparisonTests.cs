using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Data.BlankInfilling;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners.Full;
using Samples;
using static TorchSharp.torch;

namespace RealModels.Tests.EndToEnd.BlankComparison;

/// <summary>
/// A GLM, a BERT and a model from left to right of one size, vocabulary, order of rows and number of tokens, pretrained on the SDK's documentation and
/// tiny-shakespeare: what each knows of blanks, and what GLM's two kinds of blanks give alone and together. BERT is told how long a blank is, and its perplexity
/// is a pseudo one (each token without its neighbours in the blank). <c>PEFT_SEEDS</c> asks for other seeds than three.
/// </summary>
[TestClass]
public sealed class BlankComparisonTests
{
    private const int Docs = 6000, Vocabulary = 2000, Fewest = 10, Most = 46, MaxLength = 64, Epochs = 6, SearchEpochs = 3, Asked = 500;

    private const string Shape = "\"vocab_size\":%V%,\"initializer_range\":0.02";

    private const string Bert = $$"""
        {"model_type":"bert","architectures":["BertForMaskedLM"],"hidden_size":128,"num_hidden_layers":4,"num_attention_heads":4,"intermediate_size":512,"hidden_act":"gelu",
         "hidden_dropout_prob":0,"attention_probs_dropout_prob":0,"layer_norm_eps":1e-12,"max_position_embeddings":64,"type_vocab_size":2,{{Shape}} }
        """;

    private const string Gpt = $$"""
        {"model_type":"gpt2","architectures":["GPT2LMHeadModel"],"n_embd":128,"n_layer":4,"n_head":4,"n_positions":64,"resid_pdrop":0,"embd_pdrop":0,"attn_pdrop":0,
         "layer_norm_epsilon":1e-5,{{Shape}} }
        """;

    private static readonly int[] s_lengths = [1, 3, 5];

    /// <summary>Each model: its configuration (null: the GLM folder's own), its task, and the rate that the search found best.</summary>
    private static readonly Dictionary<string, (string? Config, Func<PeftTask> Task, Func<TunedModel, TextProcessor, BlankGuesser> Guesser, double Rate)> s_models = new()
    {
        ["GLM"] = (null, () => PeftTask.BlankInfilling(), (model, processor) => new GlmGuesser(model, processor), 1.5e-3),
        ["GLM, short blanks alone"] = (null, () => PeftTask.BlankInfilling(tokenShare: 1, documentShare: 0), (model, processor) => new GlmGuesser(model, processor), 1.5e-3),
        ["GLM, documents alone"] = (null, () => PeftTask.BlankInfilling(tokenShare: 0, documentShare: 1), (model, processor) => new GlmGuesser(model, processor), 1.5e-3),
        ["BERT"] = (Bert, () => PeftTask.MaskedLanguageModelling(), (model, processor) => new MaskGuesser(model, processor), 1.5e-3),
        ["left to right"] = (Gpt, () => PeftTask.CausalLanguageModelling(), (model, processor) => new LeftToRightGuesser(model, processor), 1.5e-3),
    };

    private readonly string _folder = Path.Combine(Path.GetTempPath(), $"blank-comparison-{Guid.NewGuid():N}");

    public static IEnumerable<object[]> Models => s_models.Keys.Select(model => new object[] { model });

    public static IEnumerable<object[]> Searched =>
        new[] { "GLM", "BERT", "left to right" }.SelectMany(model => new[] { 7e-4, 1.5e-3, 3e-3, 6e-3 }.Select(rate => new object[] { model, rate }));

    [TestMethod, TestCategory("EndToEnd")]
    [DynamicData(nameof(Models))]
    public void WhatTheyKnowOfBlanks(string name)
    {
        LongTests.Require();
        var (train, asked, processor) = Prepare("test");
        foreach (int seed in Seeds.Asked())
        {
            using TunedModel model = Train(name, processor, train, seed, Epochs, s_models[name].Rate);
            double tokens = Report($"{name}, seed {seed}", s_models[name].Guesser(model, processor), asked);
            Assert.IsGreaterThan(1.0 / processor.Tokenizer.VocabularySize, tokens, "It knows more of a blank's token than chance does.");
        }
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>What they are held against: the tokens' frequencies, and a GLM that has not been trained.</summary>
    [TestMethod, TestCategory("EndToEnd")]
    public void WhatNoModelNeedsToLearn()
    {
        LongTests.Require();
        var (train, asked, processor) = Prepare("test");
        Print($"{train.Length} rows of {train.Sum(text => processor.Tokenizer.Encode(text, addSpecialTokens: false).Ids.Length)} tokens, {processor.Tokenizer.VocabularySize} in the vocabulary, {Epochs} epochs");
        new Unigram(Encoded(train, processor), processor.Tokenizer.EosId!.Value).Report(asked, Items(asked), Print);
        using TunedModel model = Train("GLM", processor, train, seed: 1, epochs: 1, rate: 1e-12, steps: 1);
        double untrained = Report("GLM untrained", s_models["GLM"].Guesser(model, processor), asked);
        Assert.IsLessThan(0.01, untrained);
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Shorter runs at several rates, judged on texts that are not asked about later.</summary>
    [TestMethod, TestCategory("EndToEnd")]
    [DynamicData(nameof(Searched))]
    public void RatesAreSearched(string name, double rate)
    {
        LongTests.Require();
        var (train, asked, processor) = Prepare("validation");
        using TunedModel model = Train(name, processor, train, seed: 1, SearchEpochs, rate);
        double tokens = Report($"{name}, rate {rate}, validation", s_models[name].Guesser(model, processor), asked);
        Assert.IsGreaterThanOrEqualTo(0, tokens);
        Directory.Delete(_folder, recursive: true);
    }

    private (string[] Train, int[][] Asked, TextProcessor Processor) Prepare(string part)
    {
        var (train, test) = Texts(part);
        GlmFolder.Create(_folder, new GlmShape { HiddenSize = 128, Layers = 4, Heads = 4, MaxLength = MaxLength, Dropout = 0 }, train, Vocabulary);
        TextProcessor processor = TextProcessor.Load(_folder);
        return ([.. train.Where(text => IsKept(processor.Tokenizer.Encode(text, addSpecialTokens: false).Ids))], [.. Encoded(test, processor).Take(Asked)], processor);
    }

    private TunedModel Train(string name, TextProcessor processor, string[] texts, int seed, int epochs, double rate, int? steps = null)
    {
        string config = s_models[name].Config?.Replace("%V%", $"{processor.Tokenizer.VocabularySize}", StringComparison.Ordinal) ?? File.ReadAllText(Path.Combine(_folder, HfConfig.FileName));
        PretrainedModel model = ModelRegistry.Create(HfConfig.Parse(config, "the comparison"), null, TestDevice.Device, seed);
        TaskRuntime runtime = s_models[name].Task().Bind(LabelSet.None, processor, MaxLength);
        using RowSet rows = RowSet.Read(
            TestDevice.NewContext().Data.LoadFromEnumerable(texts.Select(text => new Row { Text = text })), ["Text"], row => runtime.CreateReader(row, withLabels: true), () => { });
        TunedModel tuned = TunedModelFactory.Create(model, runtime, new FullOptions(), seed);
        var options = new TrainingOptions { MaxEpochs = epochs, MaxSteps = steps, BatchSize = 32, LearningRate = rate, WarmupRatio = 0.05 };
        var clock = System.Diagnostics.Stopwatch.StartNew();
        TrainingResult result = TrainingLoop.Run(
            tuned, runtime, rows.Examples, null, new TrainingSettings(options, new TrainingDefaults(LearningRate: rate)), TestDevice.Device, seed, new Silence(), CancellationToken.None);
        Print($"{name}, seed {seed}, rate {rate}: {tuned.WeightCount} weights, {rows.Examples.Count} rows, {result.Steps} steps in {clock.Elapsed.TotalSeconds:f0} s, loss {result.Loss:f4}");
        return tuned;
    }

    /// <returns>How many of the tokens of all blanks are right.</returns>
    private static double Report(string name, BlankGuesser guesser, int[][] asked)
    {
        var right = new List<double>();
        foreach (var (length, items) in Items(asked))
        {
            int[][] written = guesser.Write(items);
            double cost = guesser.Costs(items).Average(row => row.Average());
            double tokens = items.Select((item, i) => BlankGuesser.Gold(item).Zip(written[i]).Average(pair => pair.First == pair.Second ? 1.0 : 0)).Average();
            double whole = items.Select((item, i) => BlankGuesser.Gold(item).SequenceEqual(written[i]) ? 1.0 : 0).Average();
            Print($"{name}, blanks of {length}: token accuracy {tokens:f4}, whole {whole:f4}, perplexity {Math.Exp(cost):f2}");
            right.Add(tokens);
        }
        if (guesser is TailGuesser tails)
        {
            var (sum, count) = tails.TailCosts(asked);
            Print($"{name}, tails: perplexity {Math.Exp(sum / count):f2} over {count} tokens");
        }
        return right.Average();
    }

    /// <summary>A blank of each length in each text, with a word on both sides; the same for all models.</summary>
    private static IEnumerable<(int Length, (int[] Text, Blank Blank)[] Items)> Items(int[][] texts) => s_lengths.Select(length =>
    {
        var random = new SplitMix64(length);
        return (length, texts.Select(text =>
        {
            int start = 1 + random.Next(text.Length - length - 1);
            return (text, new Blank(start, start + length));
        }).ToArray());
    });

    private static (string[] Train, string[] Asked) Texts(string part)
    {
        DataSplit docs = DataSplit.Of(ApiDocs.Load(), Docs);
        string[] held = [.. (part == "test" ? docs.Test : docs.Validation).Select(row => row.Text)];
        return ([.. docs.Train.Select(row => row.Text), .. Speeches("train")], [.. held.Take(Asked / 2), .. Speeches(part), .. held.Skip(Asked / 2)]);
    }

    // Who speaks stands in the first line.
    private static IEnumerable<string> Speeches(string part) => File.ReadAllText(SharedData.Require(Path.Combine(SharedData.Data, "tiny-shakespeare"), part + ".txt"))
        .Split("\n\n").Select(speech => speech[(speech.IndexOf('\n', StringComparison.Ordinal) + 1)..].Replace('\n', ' ').Trim());

    private static bool IsKept(int[] ids) => ids.Length is >= Fewest and <= Most;

    private static IEnumerable<int[]> Encoded(IEnumerable<string> texts, TextProcessor processor) =>
        texts.Select(text => processor.Tokenizer.Encode(text, addSpecialTokens: false).Ids).Where(IsKept);

    private static void Print(FormattableString line) => Print(line.ToString(CultureInfo.InvariantCulture));

    private static void Print(string line)
    {
        Console.WriteLine(line);
        // A run of an hour is worth looking at before it ends.
        if (Environment.GetEnvironmentVariable("PEFT_PROGRESS_FILE") is { Length: > 0 } file)
            File.AppendAllText(file, line + "\n");
    }

    private sealed class Silence : ITrainingReporter
    {
        public void Info(string message)
        {
        }

        public void Progress(in TrainingProgress progress)
        {
        }
    }

    private sealed class Row
    {
        public string Text { get; set; } = "";
    }

    /// <summary>How often each token stands in the training texts, and nothing else.</summary>
    private sealed class Unigram
    {
        private readonly Dictionary<int, int> _counts;
        private readonly double _all;

        private readonly int _end;

        public Unigram(IEnumerable<int[]> texts, int end)
        {
            _end = end;
            _counts = texts.SelectMany(text => text.Append(end)).CountBy(id => id).ToDictionary();
            _all = _counts.Values.Sum() + _counts.Count + 1;
        }

        public void Report(int[][] asked, IEnumerable<(int Length, (int[] Text, Blank Blank)[] Items)> lengths, Action<string> print)
        {
            int commonest = _counts.Where(count => count.Key != _end).MaxBy(count => count.Value).Key;
            foreach (var (length, items) in lengths)
            {
                int[] gold = [.. items.SelectMany(BlankGuesser.Gold)];
                double whole = items.Average(item => BlankGuesser.Gold(item).All(id => id == commonest) ? 1.0 : 0);
                print(string.Create(CultureInfo.InvariantCulture, $"unigram, blanks of {length}: token accuracy {gold.Average(id => id == commonest ? 1.0 : 0):f4}, whole {whole:f4}, perplexity {Math.Exp(gold.Average(Cost)):f2}"));
            }
            print(string.Create(CultureInfo.InvariantCulture, $"unigram, tails: perplexity {Math.Exp(asked.SelectMany(text => text[(text.Length / 2)..].Append(_end)).Average(Cost)):f2}"));
        }

        private double Cost(int id) => -Math.Log((_counts.GetValueOrDefault(id) + 1) / _all);
    }
}
