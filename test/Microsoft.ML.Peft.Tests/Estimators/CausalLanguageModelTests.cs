using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Estimators;

/// <summary>Continued pretraining of a decoder through ML.NET.</summary>
[TestClass]
public sealed class CausalLanguageModelTests
{
    private sealed class Line
    {
        public string Text { get; set; } = "";
    }

    private sealed class Scored
    {
        public float Perplexity { get; set; }
    }

    [TestMethod]
    [DataRow("llama")]
    [DataRow("gpt2")]
    public void PerplexityFalls(string modelType)
    {
        using var folder = new TinyDecoder(modelType);
        var ml = new MLContext(seed: 1);
        string[] lines = ["the cat sat on the mat", "the dog sat on the log", "", "a", new string('x', 400)];
        IDataView data = ml.Data.LoadFromEnumerable(Enumerable.Repeat(lines, 8).SelectMany(l => l).Select(text => new Line { Text = text }));
        double before = Perplexity(ml, folder.Folder, data, maxEpochs: 1, learningRate: 1e-9);
        double after = Perplexity(ml, folder.Folder, data, maxEpochs: 6, learningRate: 1e-2);
        Assert.IsLessThan(0.8 * before, after);
    }

    private static double Perplexity(MLContext ml, string folder, IDataView data, int maxEpochs, double learningRate)
    {
        using PeftTransformer model = ml.Peft().Lora(folder, PeftTask.CausalLanguageModelling(), maxEpochs: maxEpochs, batchSize: 4, learningRate: learningRate).Fit(data);
        float[] found = [.. ml.Data.CreateEnumerable<Scored>(model.Transform(data), false).Select(row => row.Perplexity)];
        Assert.IsTrue(float.IsNaN(found[2]), "a text without tokens has no perplexity");
        Assert.IsTrue(found[..2].All(float.IsFinite));
        return found[0];
    }
}
