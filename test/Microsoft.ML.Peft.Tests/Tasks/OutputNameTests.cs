using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Tasks;

/// <summary>Output columns that would hide each other, or the data's: refused before anything is trained.</summary>
[TestClass]
public sealed class OutputNameTests
{
    private readonly MLContext _context = TestDevice.NewContext(seed: 1);
    private readonly TinyBert _bert = new();

    public static IEnumerable<object[]> Twins =>
    [
        [PeftTask.TextClassification(outputColumnName: "Same", scoreColumnName: "Same")],
        [PeftTask.BinaryTextClassification(outputColumnName: "Same", probabilityColumnName: "Same")],
        [PeftTask.TokenClassification(outputColumnName: "Same", scoreColumnName: "Same")],
        [PeftTask.TokenClassification(outputColumnName: "Same", spansColumnName: "Same")],
        [PeftTask.TokenClassification(scoreColumnName: "Same", spansColumnName: "Same")],
    ];

    [TestCleanup]
    public void DeleteModel() => _bert.Dispose();

    [TestMethod]
    [DynamicData(nameof(Twins))]
    public void TwoOfOneNameAreRefusedWhenTheEstimatorIsMade(PeftTask task) =>
        Assert.Contains("'Same'", Assert.ThrowsExactly<ArgumentException>(() => _context.Peft().Lora(_bert.Folder, task)).Message);

    /// <summary>Over the label a model would be measured by its own answers.</summary>
    [TestMethod]
    [DataRow("Label", "Score")]
    [DataRow("Text", "Score")]
    [DataRow("Number", "Score")]
    [DataRow("PredictedLabel", "Label")]
    [DataRow("PredictedLabel", "Number")]
    public void AColumnOfTheDataIsNotHidden(string output, string score)
    {
        IDataView data = Review.Load(_context);
        LoraFineTune lora = _context.Peft().Lora(_bert.Folder, PeftTask.TextClassification(outputColumnName: output, scoreColumnName: score));
        string taken = output == "PredictedLabel" ? score : output;
        Assert.Contains($"'{taken}'", Assert.ThrowsExactly<ArgumentException>(() => lora.Fit(data)).Message);
        Assert.Contains($"'{taken}'", Assert.ThrowsExactly<ArgumentException>(() => lora.Estimate(data)).Message);
        Assert.Contains($"'{taken}'", Assert.ThrowsExactly<ArgumentException>(() => lora.GetOutputSchema(SchemaShapes.Of(data.Schema))).Message);
    }

    /// <summary>As with ML.NET's own transformers.</summary>
    [TestMethod]
    public void WhatWasScoredOnceIsScoredAgain()
    {
        IDataView data = Review.Load(_context);
        using PeftTransformer model = _context.Peft().Lora(_bert.Folder, PeftTask.TextClassification(), maxEpochs: 1).Fit(data);
        IDataView once = model.Transform(data);
        Table.AreClose(Table.Read(once, "Score"), Table.Read(model.Transform(once), "Score"), 0, "scores");
    }
}
