using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Tests.Estimators;

/// <summary>Tokens that a fine-tuning adds to the vocabulary, from the option to saved models and adapters.</summary>
[TestClass]
public sealed class AddedTokensTests
{
    private readonly MLContext _context = TestDevice.NewContext(seed: 1);
    private readonly TinyBert _bert = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("added-").FullName;

    private string Adapter => Path.Combine(_folder, "adapter");

    [TestCleanup]
    public void Delete()
    {
        _bert.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [TestMethod]
    public void TheyTravelInTheArchive()
    {
        IDataView data = Data();
        using PeftTransformer model = Fit(data, new LoraOptions { AddedTokens = ["blockbuster"] }, steps: 5);
        string file = Path.Combine(_folder, "model.zip");
        _context.Model.Save(model, data.Schema, file);
        using var loaded = (IDisposable)_context.Model.Load(file, out _);
        Table.AreClose(Table.Read(model.Transform(data), "Score"), Table.Read(((ITransformer)loaded).Transform(data), "Score"), 1e-6, "scores");
    }

    [TestMethod]
    public void TheyTravelWithTheAdapter()
    {
        IDataView data = Data();
        using PeftTransformer model = Fit(data, new LoraOptions { AddedTokens = ["blockbuster", "flop"] }, steps: 5);
        model.SaveAdapter(Adapter);
        TextTokenizer tokenizer = TextTokenizer.Load(Adapter), before = TextTokenizer.Load(_bert.Folder);
        Assert.AreEqual(before.VocabularySize + 1, tokenizer.IdOf("flop"));
        JsonNode config = JsonNode.Parse(File.ReadAllText(Path.Combine(Adapter, "adapter_config.json")))!;
        CollectionAssert.AreEqual(
            new[] { before.VocabularySize, before.VocabularySize + 1 }, config["trainable_token_indices"]!.AsArray().Select(id => (int)id!).ToArray());

        using PeftTransformer again = Fit(data, new LoraOptions(), steps: 1, Adapter, learningRate: 1e-9);
        Table.AreClose(Table.Read(model.Transform(data), "Score"), Table.Read(again.Transform(data), "Score"), 1e-5, "scores");
    }

    [TestMethod]
    public void ATokenThatIsThereIsRefused() => Assert.Contains(
        "film", Assert.ThrowsExactly<ArgumentException>(() => Fit(Data(), new LoraOptions { AddedTokens = ["film"] }, steps: 1)).Message);

    private IDataView Data()
    {
        IReadOnlyList<Review> reviews = Review.Make(41);
        foreach (Review review in reviews)
            review.Text += review.Label == "positive" ? " a blockbuster" : " a flop";
        IDataView rows = _context.Data.LoadFromEnumerable(reviews);
        return _context.Transforms.Conversion.MapValueToKey("Label").Fit(rows).Transform(rows);
    }

    private PeftTransformer Fit(IDataView data, LoraOptions lora, int steps, string? adapter = null, double learningRate = 1e-2) =>
        _context.Peft().Lora(new LoraFineTune.Options
        {
            BaseModel = _bert.Folder,
            Task = PeftTask.TextClassification(),
            AdapterFolder = adapter,
            Lora = lora,
            Training = new TrainingOptions { MaxSteps = steps, MaxEpochs = 100, LearningRate = learningRate, BatchSize = 8 },
        }).Fit(data);
}
