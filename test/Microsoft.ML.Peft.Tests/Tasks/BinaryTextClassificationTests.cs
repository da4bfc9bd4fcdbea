using Microsoft.ML.Data;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tests.Estimators;

namespace Microsoft.ML.Peft.Tests.Tasks;

[TestClass]
public sealed class BinaryTextClassificationContract : TinyBertContract
{
    protected override IEstimator<ITransformer> CreateEstimator() =>
        Context.Peft().Lora(Folder, PeftTask.BinaryTextClassification(), rank: 2, maxEpochs: 1, batchSize: 8);

    protected override IDataView CreateData() => BinaryTextClassificationTests.Load(Context);
}

/// <summary>A Boolean label, and the columns of ML.NET's binary trainers.</summary>
[TestClass]
public sealed class BinaryTextClassificationTests
{
    private readonly MLContext _context = TestDevice.NewContext(seed: 1);
    private readonly TinyBert _bert = new();

    [TestCleanup]
    public void DeleteModel() => _bert.Dispose();

    [TestMethod]
    public void MlNetMeasuresIt()
    {
        IDataView data = Load(_context);
        using PeftTransformer model = _context.Peft().Lora(new LoraFineTune.Options
        {
            BaseModel = _bert.Folder,
            Task = PeftTask.BinaryTextClassification(),
            ValidationSet = data,
            Training = new TrainingOptions { MaxEpochs = 15, BatchSize = 8, LearningRate = 2e-2 },
        }).Fit(data);
        CalibratedBinaryClassificationMetrics metrics = _context.BinaryClassification.Evaluate(model.Transform(data));
        Assert.IsGreaterThan(0.9, metrics.Accuracy);
        Assert.IsGreaterThan(0.9, metrics.AreaUnderRocCurve);
        Assert.IsLessThan(0.5, metrics.LogLoss);
    }

    /// <summary>The same weights as text classification over the keys false and true.</summary>
    [TestMethod]
    public void ItAnswersAsTwoClassesDo()
    {
        IDataView data = Load(_context);
        using PeftTransformer binary = _context.Peft().Lora(_bert.Folder, PeftTask.BinaryTextClassification(), maxEpochs: 2, batchSize: 8).Fit(data);
        IDataView booleans = _context.Data.LoadFromEnumerable<Flag>([new() { Value = false }, new() { Value = true }]);
        IDataView keyed = _context.Transforms.Conversion.MapValueToKey("Label", keyData: booleans).Fit(data).Transform(data);
        using PeftTransformer classes = _context.Peft().Lora(_bert.Folder, PeftTask.TextClassification(), maxEpochs: 2, batchSize: 8).Fit(keyed);
        object[] expected = [.. Table.Read(classes.Transform(keyed), "Score").Select(scores => ((object[])scores)[1])];
        Table.AreClose(expected, Table.Read(binary.Transform(data), "Probability"), 1e-6, "probabilities");
        CollectionAssert.AreEqual(
            expected.Select(p => $"{(double)p > 0.5}").ToArray(), Table.Read(binary.Transform(data), "PredictedLabel").Select(label => $"{label}").ToArray());
        binary.SaveAdapter(Path.Combine(_bert.Folder, "adapter"));
        classes.Adapters.Activate(classes.Adapters.Load("binary", Path.Combine(_bert.Folder, "adapter")));
        Table.AreClose(expected, [.. Table.Read(classes.Transform(keyed), "Score").Select(scores => ((object[])scores)[1])], 1e-6, "an adapter of one task under the other");
    }

    [TestMethod]
    public void TheLabelMustBeBoolean()
    {
        string message = Assert.ThrowsExactly<ArgumentException>(
            () => _context.Peft().Lora(_bert.Folder, PeftTask.BinaryTextClassification()).Fit(Review.Load(_context))).Message;
        Assert.Contains("'Label'", message);
        Assert.Contains("Boolean", message);
    }

    public static IDataView Load(MLContext context) => context.Data.LoadFromEnumerable(Review.Make(41).Select(row => new Judged
    {
        Text = row.Text, Number = row.Number, Label = row.Label == "positive",
    }));

    private sealed class Flag
    {
        public bool Value { get; set; }
    }

    private sealed class Judged
    {
        public string Text { get; set; } = "";

        public float Number { get; set; }

        public bool Label { get; set; }
    }
}
