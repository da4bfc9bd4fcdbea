using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Glm;

/// <summary>Texts classified by GLM's head, which reads the token that the folder's pool_token names.</summary>
[TestClass]
public sealed class GlmClassifierTests
{
    private readonly MLContext _ml = TestDevice.NewContext(seed: 1);

    /// <summary>Of texts of several lengths the last is each one's own, padded or not.</summary>
    [TestMethod]
    [DataRow("cls"), DataRow("pad")]
    public void TheHeadReadsTheTokenThatTheFolderNames(string pool)
    {
        using var glm = new TinyGlm(TinyGlm.Kinds[1], config => config["pool_token"] = pool);
        IDataView data = Review.Load(_ml, 32);
        using PeftTransformer model = _ml.Peft().Lora(new LoraFineTune.Options
        {
            BaseModel = glm.Folder, Task = PeftTask.TextClassification(), Training = new TrainingOptions { MaxEpochs = 16, BatchSize = 8, LearningRate = 1e-2 },
        }).Fit(data);
        Assert.AreEqual(1, _ml.MulticlassClassification.Evaluate(model.Transform(data)).MicroAccuracy);
        string[] texts = ["the film is very good", "a bad book", "poor"];
        float[][] together = Scores(model, texts);
        for (int i = 0; i < texts.Length; i++)
        {
            foreach (var (expected, found) in Scores(model, texts[i])[0].Zip(together[i]))
                Assert.AreEqual(expected, found, 1e-4, texts[i]);
        }
        CollectionAssert.AreEqual(pool == "pad" ? new long[] { 3, 1 } : [0, 0], Read(glm.Folder));
    }

    [TestMethod]
    [DataRow("start", "where a piece begins"), DataRow("mean", "pool_token 'mean' is not known; known are cls, pad, start")]
    public void ATokenThatTextsDoNotHaveIsRefused(string pool, string named)
    {
        using var glm = new TinyGlm(change: config => config["pool_token"] = pool);
        Exception refused = Assert.Throws<Exception>(() => _ml.Peft().Lora(glm.Folder, PeftTask.TextClassification()).Fit(Review.Load(_ml, 8)));
        Assert.Contains(named, refused.GetBaseException().Message);
    }

    /// <summary>Which positions of a row of four tokens and one of two are read.</summary>
    private static long[] Read(string folder)
    {
        using PretrainedModel model = BaseModels.Open(folder, CPU, seed: 1);
        using var scope = NewDisposeScope();
        using Batch batch = Batch.Collate([new Example { Ids = [5, 6, 7, 8] }, new Example { Ids = [5, 6] }], CPU, withLabels: false);
        return [.. model.As<ISequenceClassifier>().CreateSequenceClassificationHead(2).Rows(batch).Indices(2, 4, CPU).data<long>()];
    }

    private float[][] Scores(PeftTransformer model, params string[] texts) =>
        [.. model.Transform(_ml.Data.LoadFromEnumerable(texts.Select(text => new { Text = text }))).GetColumn<float[]>("Score")];
}
