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
        var ml = TestDevice.NewContext(seed: 1);
        string[] lines = ["the cat sat on the mat", "the dog sat on the log", "", "a", new string('x', 400)];
        IDataView data = ml.Data.LoadFromEnumerable(Enumerable.Repeat(lines, 8).SelectMany(l => l).Select(text => new Line { Text = text }));
        double before = Perplexity(ml, folder.Folder, data, maxEpochs: 1, learningRate: 1e-9);
        double after = Perplexity(ml, folder.Folder, data, maxEpochs: 6, learningRate: 1e-2);
        Assert.IsLessThan(0.8 * before, after);
    }

    /// <summary>The head learns too, so the backward pass computes the losses again.</summary>
    [TestMethod]
    public void AllWeightsLearn()
    {
        using var folder = new TinyDecoder();
        var ml = TestDevice.NewContext(seed: 1);
        IDataView data = ml.Data.LoadFromEnumerable(Enumerable.Repeat(new Line { Text = "the cat sat on the mat" }, 16));
        double Trained(double rate) => Perplexity(ml.Peft().FullFineTune(folder.Folder, PeftTask.CausalLanguageModelling(), 4, 4, rate), ml, data)[0];
        Assert.IsLessThan(0.5 * Trained(1e-9), Trained(1e-2));
    }

    private static double Perplexity(MLContext ml, string folder, IDataView data, int maxEpochs, double learningRate)
    {
        float[] found = Perplexity(
            ml.Peft().Lora(folder, PeftTask.CausalLanguageModelling(), maxEpochs: maxEpochs, batchSize: 4, learningRate: learningRate), ml, data);
        Assert.IsTrue(float.IsNaN(found[2]), "a text without tokens has no perplexity");
        Assert.IsTrue(found[..2].All(float.IsFinite));
        return found[0];
    }

    private static float[] Perplexity(IEstimator<PeftTransformer> estimator, MLContext ml, IDataView data)
    {
        using PeftTransformer model = estimator.Fit(data);
        return [.. ml.Data.CreateEnumerable<Scored>(model.Transform(data), false).Select(row => row.Perplexity)];
    }
}
