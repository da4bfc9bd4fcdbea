using System.Text.Json.Nodes;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Estimators.Adapters;

/// <summary>A tiny decoder, a transformer that was trained on it, and folders of further adapters.</summary>
internal sealed class AdapterFixture : IDisposable
{
    private static readonly string[] s_texts = ["the cat sat on the mat", "a dog", "numbers 1 2 3 4 5", "the end of all that"];

    private readonly TinyDecoder _decoder;
    private readonly string _folder = Directory.CreateTempSubdirectory("adapters-").FullName;

    public AdapterFixture(string modelType = "llama", Action<JsonObject>? change = null, LoraOptions? lora = null)
    {
        _decoder = new TinyDecoder(modelType, change: change);
        Transformer = Fit(lora ?? Options(rank: 4), "the quick brown fox");
    }

    public MLContext Context { get; } = new(seed: 1);

    public string Base => _decoder.Folder;

    public PeftTransformer Transformer { get; }

    public IDataView Data => Context.Data.LoadFromEnumerable(s_texts.Select(text => new Row { Text = text }));

    public static LoraOptions Options(int rank = 4, int alpha = 8) => new() { Rank = rank, Alpha = alpha };

    public string PathOf(string name) => Path.Combine(_folder, name);

    /// <summary>Trains an adapter on one text and saves it.</summary>
    public string Train(string name, string text, LoraOptions? lora = null)
    {
        using PeftTransformer model = Fit(lora ?? Options(), text);
        model.SaveAdapter(PathOf(name));
        return PathOf(name);
    }

    /// <summary>Trains on one text.</summary>
    public PeftTransformer Fit(LoraOptions lora, string text) => Context.Peft().Lora(new LoraFineTune.Options
    {
        BaseModel = Base,
        Task = PeftTask.CausalLanguageModelling(),
        Lora = lora,
        Training = new TrainingOptions { MaxSteps = 4, MaxEpochs = 4, LearningRate = 5e-2, BatchSize = 1 },
    }).Fit(Context.Data.LoadFromEnumerable([new Row { Text = text }]));

    public float[] Scores() => Scores(Transformer, Data);

    public float[] ScoresUnder(PeftAdapter? adapter)
    {
        PeftAdapter? before = Transformer.Adapters.Active;
        Transformer.Adapters.Activate(adapter);
        float[] scores = Scores();
        Transformer.Adapters.Activate(before);
        return scores;
    }

    public float[] Scores(ITransformer transformer, IDataView data) =>
        [.. Context.Data.CreateEnumerable<Scored>(transformer.Transform(data), false).Select(row => row.Perplexity)];

    /// <summary>The texts, one for each name.</summary>
    public IDataView Routed(params string[] adapters) => Context.Data.LoadFromEnumerable(
        adapters.Select((adapter, i) => new RoutedRow { Text = s_texts[i % s_texts.Length], Adapter = adapter }));

    public static void AreClose(float[] expected, float[] actual, string what, double relative = 1e-4)
    {
        Assert.HasCount(expected.Length, actual, what);
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], actual[i], relative * expected[i], $"{what}, row {i}");
    }

    public static void Differ(float[] first, float[] second, string what) =>
        Assert.IsTrue(first.Zip(second).Any(pair => Math.Abs(pair.First - pair.Second) > 1e-3 * pair.First), $"{what}: the same scores");

    public void Dispose()
    {
        Transformer.Dispose();
        _decoder.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    internal class Row
    {
        public string Text { get; set; } = "";
    }

    internal sealed class RoutedRow : Row
    {
        public string Adapter { get; set; } = "";
    }

    internal sealed class Scored
    {
        public float Perplexity { get; set; }
    }
}
