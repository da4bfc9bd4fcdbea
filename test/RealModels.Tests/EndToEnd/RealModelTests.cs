using System.Text.Json.Nodes;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.TestSupport;

namespace RealModels.Tests.EndToEnd;

/// <summary>The whole way from a text file to a saved and loaded model, with pretrained weights.</summary>
[TestClass]
public sealed class RealModelTests
{
    private readonly MLContext _context = TestDevice.NewContext(seed: 1);

    private static string Model => Path.Combine(SharedData.Models, "all-minilm-l6-v2");

    [TestMethod]
    public void LoraTellsSpamFromHam()
    {
        string data = Path.Combine(SharedData.Data, "sms-spam");
        SharedData.RequireFolder(Model);
        SharedData.RequireFolder(data);
        IDataView train = _context.Data.TakeRows(Load(Path.Combine(data, "train.tsv")), 480), test = Load(Path.Combine(data, "test.tsv"));
        var pipeline = _context.Transforms.Conversion.MapValueToKey("Label")
            .Append(_context.Peft().Lora(new LoraFineTune.Options
            {
                BaseModel = Model,
                Task = PeftTask.TextClassification(),
                MaxLength = 64,
                Training = new TrainingOptions { MaxEpochs = 2, BatchSize = 16, LearningRate = 2e-3 },
                EmbedBase = false,
            }));
        ITransformer model = pipeline.Fit(train);
        MulticlassClassificationMetrics metrics = _context.MulticlassClassification.Evaluate(model.Transform(test));
        Console.WriteLine($"Accuracy {metrics.MicroAccuracy:F4}, macro {metrics.MacroAccuracy:F4}, log-loss {metrics.LogLoss:F4}.");
        // At most half the errors of calling everything ham.
        string[] labels = [.. test.GetColumn<string>("Label")];
        double majority = (double)labels.CountBy(label => label).Max(label => label.Value) / labels.Length;
        Assert.IsGreaterThanOrEqualTo(1 - (1 - majority) / 2, metrics.MicroAccuracy);

        using var file = new MemoryStream();
        _context.Model.Save(model, train.Schema, file);
        Assert.IsLessThan(4L << 20, file.Length, "A saved adapter is small.");
        ITransformer loaded = TestDevice.NewContext().Model.Load(file, out _);
        IDataView head = _context.Data.TakeRows(test, 20);
        Table.AreClose(Table.Read(model.Transform(head), "Score"), Table.Read(loaded.Transform(head), "Score"), 0, "scores");
    }

    [TestMethod]
    public void EmbeddingsAreThoseOfTransformers()
    {
        SharedData.RequireFolder(Model);
        JsonNode expected = JsonNode.Parse(File.ReadAllText(Path.Combine(Model, "expected-embeddings.json")))!;
        var texts = expected["items"]!.AsArray().Select(item => new Review { Text = item!["text"]!.GetValue<string>() });
        IDataView data = _context.Data.LoadFromEnumerable(texts);
        using PeftTransformer model = _context.Peft()
            .Embed(new TextEmbedder.Options { BaseModel = Model, MaxLength = 256, ScoringBatchSize = 6 }).Fit(data);
        object[] vectors = [.. expected["embeddings"]!.AsArray().Select(row => row!.AsArray().Select(v => (object)v!.GetValue<double>()).ToArray())];
        Table.AreClose(vectors, Table.Read(model.Transform(data), "Embedding"), expected["tolerance"]!.GetValue<double>(), "embeddings");
    }

    private IDataView Load(string path) => _context.Data.LoadFromTextFile(
        path, [new TextLoader.Column("Label", DataKind.String, 0), new TextLoader.Column("Text", DataKind.String, 1)], hasHeader: true);
}
