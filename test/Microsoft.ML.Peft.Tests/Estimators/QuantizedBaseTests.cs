using System.IO.Compression;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Weights;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Estimators;

/// <summary>Models whose base is kept in few bits: alone, below a tuner, in an archive.</summary>
[TestClass]
public sealed class QuantizedBaseTests
{
    private readonly MLContext _context = TestDevice.NewContext(seed: 1);
    private readonly TinyBert _bert = new();
    private readonly string _file = Path.GetTempFileName();

    public static IEnumerable<object[]> Formats =>
    [
        [new QuantizationOptions()], [new QuantizationOptions { DoubleQuantization = true }], [new QuantizationOptions { Format = QuantizationFormat.Fp4 }],
        [new QuantizationOptions { Format = QuantizationFormat.Int8 }], [new QuantizationOptions { Format = QuantizationFormat.Int8Rowwise, OutlierThreshold = 0.7 }],
        [new QuantizationOptions { Format = QuantizationFormat.BFloat16 }],
        [new QuantizationOptions { VocabularyFormat = QuantizationFormat.Int8Rowwise }],
    ];

    public static string Name(System.Reflection.MethodInfo method, object[] data) => $"{method.Name} {((QuantizationOptions)data[0]).Key}";

    [TestCleanup]
    public void Delete()
    {
        if (Directory.Exists(_bert.Folder))
            _bert.Dispose();
        File.Delete(_file);
    }

    [TestMethod]
    [DynamicData(nameof(Formats), DynamicDataDisplayName = nameof(Name))]
    public void LoraLearnsOverEveryFormatAndIsSavedWithIt(QuantizationOptions format)
    {
        IDataView data = Review.Load(_context);
        using PeftTransformer model = Lora(format).Fit(data);
        var expected = Scores(model);
        _context.Model.Save(model, data.Schema, _file);
        _bert.Dispose();
        using (var loaded = (PeftTransformer)_context.Model.Load(_file, out _))
        {
            Table.AreClose(expected, Scores(loaded), 0, "scores");
            Assert.AreEqual(model.Weights, loaded.Weights);
            _context.Model.Save(loaded, data.Schema, _file);
        }
        using var again = (PeftTransformer)_context.Model.Load(_file, out _);
        Table.AreClose(expected, Scores(again), 0, "scores of the second generation");
    }

    [TestMethod]
    public void LoraOverAQuantizedBaseLearns()
    {
        IDataView data = Review.Load(_context, 64);
        using PeftTransformer model = _context.Peft().Lora(
            _context.Peft().Nf4Quantize(_bert.Folder), PeftTask.TextClassification(), batchSize: 8, maxEpochs: 15, learningRate: 2e-2).Fit(data);
        Assert.IsGreaterThan(0.9, _context.MulticlassClassification.Evaluate(model.Transform(data)).MicroAccuracy);
    }

    [TestMethod]
    public void ThePackedWeightsAreInTheArchiveOnce()
    {
        IDataView data = Review.Load(_context);
        using (PeftTransformer model = Lora(new QuantizationOptions()).Fit(data))
            _context.Model.Save(model, data.Schema, _file);
        using ZipArchive archive = ZipFile.OpenRead(_file);
        ZipArchiveEntry entry = archive.Entries.Single(e => e.Name == "base.safetensors");
        string copy = Path.GetTempFileName();
        entry.ExtractToFile(copy, overwrite: true);
        using (SafetensorsFile file = SafetensorsFile.Open(copy))
        {
            using Tensor packed = file.Read("bert.encoder.layer.0.attention.self.query.weight");
            Assert.AreEqual(ScalarType.Byte, packed.dtype);
            Assert.AreEqual(ScalarType.Float32, file.Entries["bert.embeddings.word_embeddings.weight"].Type);
            Assert.Contains("bert.encoder.layer.0.attention.self.query.weight.quant_state.bitsandbytes__nf4", file.Names);
        }
        File.Delete(copy);
    }

    [TestMethod]
    public void AReferencedBaseIsQuantizedAgain()
    {
        IDataView data = Review.Load(_context);
        using PeftTransformer model = Lora(new QuantizationOptions { BlockSize = 32 }, embed: false).Fit(data);
        _context.Model.Save(model, data.Schema, _file);
        using var loaded = (PeftTransformer)_context.Model.Load(_file, out _);
        Table.AreClose(Scores(model), Scores(loaded), 0, "scores");
    }

    [TestMethod]
    public void AQuantizedModelStandsAlone()
    {
        IDataView data = Review.Load(_context);
        Nf4Quantize estimator = _context.Peft().Nf4Quantize(_bert.Folder, PeftTask.TextEmbedding());
        using PeftTransformer model = estimator.Fit(data), floats = _context.Peft().Embed(_bert.Folder).Fit(data);
        var vectors = Table.Read(model.Transform(data), "Embedding");
        Assert.AreEqual(floats.Weights, model.Weights);
        Table.AreClose(Table.Read(floats.Transform(data), "Embedding"), vectors, 0.3, "near the floats");
        Assert.ThrowsExactly<AssertFailedException>(() => Table.AreClose(Table.Read(floats.Transform(data), "Embedding"), vectors, 1e-6, "not the floats"));
        _context.Model.Save(model, data.Schema, _file);
        using var loaded = (PeftTransformer)_context.Model.Load(_file, out _);
        Table.AreClose(vectors, Table.Read(loaded.Transform(data), "Embedding"), 0, "loaded");
    }

    [TestMethod]
    public void AFolderThatIsQuantizedAlreadyStaysSo()
    {
        IDataView data = Review.Load(_context);
        using PeftTransformer expected = Lora(new QuantizationOptions { DoubleQuantization = true }).Fit(data);
        using (PretrainedModel model = ModelRegistry.Create(
            HfConfig.Load(_bert.Folder), SharedCheckpoint.Acquire(_bert.Folder, CPU), CPU, 1, new QuantizationOptions { DoubleQuantization = true }))
        {
            using var scope = NewDisposeScope();
            // With its pooler, which is the base's.
            model.As<ISequenceClassifier>().CreateSequenceClassificationHead(2);
            SafetensorsWriter.WriteFile(Path.Combine(_bert.Folder, "packed.safetensors"), model.Weights.BaseTensors());
        }
        File.Move(Path.Combine(_bert.Folder, "packed.safetensors"), Path.Combine(_bert.Folder, "model.safetensors"), overwrite: true);
        using PeftTransformer found = Lora(null).Fit(data);
        Table.AreClose(Scores(expected), Scores(found), 0, "scores");
        var refused = Assert.Throws<NotSupportedException>(() => _context.Peft().FullFineTune(_bert.Folder, PeftTask.TextClassification()).Fit(data));
        Assert.Contains("quantized", refused.Message);
    }

    [TestMethod]
    [DataRow(float.NaN)]
    [DataRow(float.NegativeInfinity)]
    public void AWeightThatIsNotFiniteIsRefusedWithItsFile(float bad)
    {
        const string Name = "encoder.layer.1.output.dense.weight";
        string file = Path.Combine(_bert.Folder, "model.safetensors"), key;
        using (var scope = NewDisposeScope())
        using (SafetensorsFile whole = SafetensorsFile.Open(file))
        {
            key = whole.Names.Single(name => name.EndsWith(Name, StringComparison.Ordinal));
            SafetensorsWriter.WriteFile(file + ".bad", whole.Names.Select(name =>
            {
                Tensor values = whole.Read(name).clone();
                if (name == key)
                    values[1, 3] = bad;
                return (name, values);
            }));
        }
        File.Move(file + ".bad", file, overwrite: true);
        var refused = Assert.Throws<InvalidDataException>(() => Lora(new QuantizationOptions()).Fit(Review.Load(_context)));
        Assert.Contains(key, refused.Message);
        Assert.Contains(file, refused.Message);
        Assert.Contains("finite", refused.Message);
    }

    [TestMethod]
    public void APackedFolderThatIsDamagedIsRefusedWithFileAndTensor()
    {
        string file = Path.Combine(_bert.Folder, "model.safetensors");
        using (PretrainedModel model = ModelRegistry.Create(HfConfig.Load(_bert.Folder), SharedCheckpoint.Acquire(_bert.Folder, CPU), CPU, 1, new()))
        {
            using var scope = NewDisposeScope();
            model.As<ISequenceClassifier>().CreateSequenceClassificationHead(2);
            SafetensorsWriter.WriteFile(file + ".packed", model.Weights.BaseTensors().Select(tensor =>
                (tensor.Name, tensor.Name.EndsWith("0.attention.self.query.weight.absmax", StringComparison.Ordinal) ? tensor.Value[..^1] : tensor.Value)));
        }
        File.Move(file + ".packed", file, overwrite: true);
        var refused = Assert.Throws<InvalidDataException>(() => Lora(null).Fit(Review.Load(_context)));
        Assert.Contains("0.attention.self.query.weight.absmax", refused.Message);
        Assert.Contains(file, refused.Message);
        byte[] bytes = File.ReadAllBytes(file);
        File.WriteAllBytes(file, bytes[..^100]);
        Assert.Contains(file, Assert.Throws<InvalidDataException>(() => Lora(null).Fit(Review.Load(_context))).Message);
    }

    [TestMethod]
    public void QloraIsThePapersRecipe()
    {
        IDataView data = Review.Load(_context);
        using PeftTransformer model = _context.Peft().Qlora(_bert.Folder, PeftTask.TextClassification(), rank: 4, maxEpochs: 1).Fit(data);
        _context.Model.Save(model, data.Schema, _file);
        using ZipArchive archive = ZipFile.OpenRead(_file);
        using Stream stream = archive.Entries.Single(e => e.Name == "manifest.json").Open();
        JsonNode manifest = JsonNode.Parse(stream)!;
        Assert.IsTrue(manifest["bases"]!["model"]!["quantization"]!["doubleQuantization"]!.GetValue<bool>());
        // What "all-linear" stood for.
        string[] targets = [.. manifest["tuner"]!["settings"]!["TargetModules"]!.AsArray().Select(path => (string)path!)];
        foreach (string name in new[] { "self.query", "self.key", "self.value", "attention.output.dense", "intermediate.dense" })
            Assert.HasCount(2, targets.Where(path => path.EndsWith("." + name, StringComparison.Ordinal)));
        Assert.IsEmpty(targets.Where(path => path.StartsWith("classifier", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void BadSettingsAreRefused()
    {
        PeftTask task = PeftTask.TextClassification();
        foreach (int block in new[] { 0, -64, 16, 48, 8192 })
            Assert.Contains("BlockSize", Assert.Throws<ArgumentException>(() => _context.Peft().Nf4Quantize(_bert.Folder, task, block)).Message);
        Assert.Contains("DoubleQuantization", Assert.Throws<ArgumentException>(
            () => Lora(new QuantizationOptions { Format = QuantizationFormat.Int8, DoubleQuantization = true })).Message);
        Assert.Contains("OutlierThreshold", Assert.Throws<ArgumentException>(() => Lora(new QuantizationOptions { OutlierThreshold = 6 })).Message);
        Assert.Contains("VocabularyFormat", Assert.Throws<ArgumentException>(
            () => Lora(new QuantizationOptions { VocabularyFormat = QuantizationFormat.Nf4 })).Message);
        Assert.Contains("Format", Assert.Throws<ArgumentException>(() => Lora(new QuantizationOptions { Format = (QuantizationFormat)9 })).Message);
        Assert.Contains("Quantization", Assert.Throws<ArgumentException>(
            () => _context.Peft().FullFineTune(_context.Peft().Nf4Quantize(_bert.Folder), task)).Message);
        Assert.Contains("Task", Assert.Throws<InvalidOperationException>(() => _context.Peft().Nf4Quantize(_bert.Folder).Fit(Review.Load(_context))).Message);
    }

    private LoraFineTune Lora(QuantizationOptions? format, bool embed = true) => _context.Peft().Lora(new LoraFineTune.Options
    {
        BaseModel = _bert.Folder,
        Task = PeftTask.TextClassification(),
        Quantization = format,
        EmbedBase = embed,
        Training = new TrainingOptions { MaxEpochs = 2, BatchSize = 8, LearningRate = 1e-2 },
    });

    private IReadOnlyList<object> Scores(PeftTransformer model) => Table.Read(model.Transform(Review.Load(_context)), "Score");
}
