using System.Globalization;
using System.IO.Compression;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Registration;
using Microsoft.ML.Peft.Tests.ChildProcess;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Weights;
using UserAssembly;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Registration;

/// <summary>Somebody else's assembly brings a model on two bases, a tuner and a task; its models are saved and loaded like ours.</summary>
[TestClass]
public sealed class UserAssemblyTests
{
    private readonly MLContext _context = TestDevice.NewContext(seed: 1);
    private readonly TinyBert _bert = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("bag-").FullName, _file = Path.GetTempFileName();

    [TestInitialize]
    public void WriteModel()
    {
        Registries.Shared.Include(typeof(BagExtensions).Assembly);
        File.WriteAllText(Path.Combine(_folder, "config.json"), """{"architectures": ["BagOfWordsModel"], "hidden_size": 64, "vocab_size": 18}""");
        foreach (string file in new[] { "tokenizer.json", "tokenizer_config.json" })
            File.Copy(Path.Combine(_bert.Folder, file), Path.Combine(_folder, file));
        using PretrainedModel model = ModelRegistry.Create(HfConfig.Load(_folder), null, CPU, seed: 3);
        SafetensorsWriter.WriteFile(Path.Combine(_folder, "model.safetensors"), model.Weights.All.Select(p => (p.Name, p.Value)));
    }

    [TestCleanup]
    public void Delete()
    {
        _bert.Dispose();
        if (Directory.Exists(_folder))
            Directory.Delete(_folder, recursive: true);
        File.Delete(_file);
    }

    [TestMethod]
    public void AProcessThatNamesNobodyPredictsTheSame()
    {
        IDataView rows = Review.Load(_context);
        using PeftTransformer model = _context.FineTuneBag(_folder).Fit(rows);
        _context.Model.Save(model, rows.Schema, _file);
        Directory.Delete(_folder, recursive: true);
        string[] expected = [.. Scores(model).Select(score => BitConverter.SingleToInt32Bits((float)(double)score).ToString(CultureInfo.InvariantCulture))];
        Assert.IsGreaterThan(3, expected.Distinct().Count(), "The model tells nothing apart.");
        CollectionAssert.AreEqual(expected, Commands.Child.Run("predict-numbers", _file));
    }

    [TestMethod]
    public void KeysAndBasesAreTheAssemblysOwn()
    {
        IDataView rows = Review.Load(_context);
        using PeftTransformer model = _context.FineTuneBag(_folder).Fit(rows);
        _context.Model.Save(model, rows.Schema, _file);
        using (ZipArchive archive = ZipFile.OpenRead(_file))
        {
            using Stream stream = archive.Entries.Single(entry => entry.Name == "manifest.json").Open();
            JsonNode manifest = JsonNode.Parse(stream)!;
            foreach (JsonNode keyed in new[] { manifest["tasks"]![0]!, manifest["tuner"]!, manifest["model"]! })
                Assert.AreEqual("UserAssembly", (string?)keyed["assembly"]);
            CollectionAssert.AreEqual(new[] { "words", "mixer" }, manifest["bases"]!.AsObject().Select(origin => origin.Key).ToArray());
            CollectionAssert.AreEqual(
                new[] { "base.mixer.safetensors", "base.words.safetensors" },
                archive.Entries.Select(entry => entry.Name).Where(name => name.StartsWith("base.", StringComparison.Ordinal)).Order().ToArray());
        }
        // Saved again, it still stands on two.
        using var loaded = (PeftTransformer)_context.Model.Load(_file, out _);
        _context.Model.Save(loaded, rows.Schema, _file);
        using var again = (PeftTransformer)_context.Model.Load(_file, out _);
        CollectionAssert.AreEqual(Scores(model).ToArray(), Scores(again).ToArray());
    }

    [TestMethod]
    public void OneBaseIsQuantizedAlone()
    {
        using SharedCheckpoint checkpoint = SharedCheckpoint.Acquire(_folder, CPU);
        HfConfig config = HfConfig.Load(_folder);
        ModelEntry entry = ModelRegistry.Choose(config, Registries.Shared.All<ModelEntry>());
        using PretrainedModel model = ModelRegistry.Create(entry, config, new Dictionary<string, BaseWeights>
        {
            ["words"] = new(checkpoint.AddReference(), null),
            ["mixer"] = new(checkpoint.AddReference(), new QuantizationOptions()),
        }, CPU, seed: 1);
        Assert.AreEqual("mixer.weight", model.Weights.Quantized.Single().Name);
        using var scope = NewDisposeScope();
        CollectionAssert.AreEqual(new[] { "words.weight" }, model.Weights.BaseTensors(model.Weights.Sources.Mounts[0]).Select(t => t.Name).ToArray());
        Assert.IsTrue(model.Weights.BaseTensors(model.Weights.Sources.Mounts[1]).All(t => t.Name.StartsWith("mixer.", StringComparison.Ordinal)));
    }

    private IReadOnlyList<object> Scores(PeftTransformer model) => Table.Read(model.Transform(Review.Load(_context)), "Score");
}
