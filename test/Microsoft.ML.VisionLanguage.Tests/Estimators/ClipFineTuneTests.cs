using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.VisionLanguage.Models;

namespace Microsoft.ML.VisionLanguage.Tests.Estimators;

[TestClass]
public sealed class ClipFineTuneTests
{
    private readonly MLContext _context = new(seed: 1);
    private readonly TinyClip _clip = new();

    [TestCleanup]
    public void Delete() => _clip.Dispose();

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void PicturesFindTheirTexts(bool lora)
    {
        // One row for each caption: no text of a batch stands twice.
        PictureRow[] rows = [.. PictureRow.Some(12).DistinctBy(row => row.Text)];
        IDataView data = _context.Data.LoadFromEnumerable(rows);
        ITransformer model = _context.VisionLanguage().ClipFineTune(new ClipFineTune.Options
        {
            BaseModel = _clip.Folder,
            Adapter = lora ? new LoraOptions { Rank = 4 } : null,
            Training = new TrainingOptions { MaxEpochs = 40, BatchSize = rows.Length, LearningRate = lora ? 2e-2 : 3e-3 },
        }).Fit(data);
        using var _ = (IDisposable)model;
        IDataView scored = model.Transform(data);
        float[][] pictures = [.. scored.GetColumn<float[]>("ImageEmbedding")], texts = [.. scored.GetColumn<float[]>("TextEmbedding")];
        int right = pictures.Where((picture, i) => Enumerable.Range(0, texts.Length).MaxBy(text => Dot(picture, texts[text])) == i).Count();
        Assert.IsGreaterThanOrEqualTo(rows.Length - 1, right);
        float[] scores = [.. scored.GetColumn<float>("Score")];
        for (int i = 0; i < rows.Length; i++)
            Assert.AreEqual(Dot(pictures[i], texts[i]), scores[i], 1e-5);
    }

    [TestMethod]
    public void GradientsAreNotAddedUp()
    {
        var options = new ClipFineTune.Options { BaseModel = _clip.Folder, Training = new TrainingOptions { GradientAccumulationSteps = 2 } };
        Assert.Contains("compares the rows", Assert.ThrowsExactly<ArgumentException>(
            () => _context.VisionLanguage().ClipFineTune(options).Fit(_context.Data.LoadFromEnumerable(PictureRow.Some(4)))).Message);
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void TheTemperatureStaysWithinBoundsAndIsNoneOfLora(bool lora)
    {
        const double Beyond = 5;
        using var clip = new TinyClip(change: config => config["logit_scale_init_value"] = Beyond);
        var options = new ClipFineTune.Options { BaseModel = clip.Folder, Training = new TrainingOptions { MaxEpochs = 1, BatchSize = 4 } };
        if (!lora)
            options.Adapter = null;
        using var model = (PeftTransformer)_context.VisionLanguage().ClipFineTune(options).Fit(_context.Data.LoadFromEnumerable(PictureRow.Some(4)));
        Assert.AreEqual(lora ? Beyond : Math.Log(100), ((IPairedTowers)model.Scorer.Model.Model).Scale.Value.item<float>(), 1e-5);
    }

    private static float Dot(float[] left, float[] right) => left.Zip(right, (l, r) => l * r).Sum();
}
