using Microsoft.ML.Data;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.VisionLanguage.Tests.Estimators;

/// <summary>Texts' vectors, and how they lie to those of pictures.</summary>
[TestClass]
public sealed class ClipTextTests
{
    private readonly MLContext _context = new(seed: 1);
    private readonly TinyClip _clip = new();

    [TestCleanup]
    public void Delete() => _clip.Dispose();

    private IDataView Data => _context.Data.LoadFromEnumerable(PictureRow.Some(5));

    [TestMethod]
    public void TheScorersCosineIsThatOfTheEmbedders()
    {
        float[][] texts = Read<float[]>(_context.VisionLanguage().ClipTextEmbedder(_clip.Folder), "Embedding");
        float[][] pictures = Read<float[]>(_context.VisionLanguage().ClipImageEmbedder(_clip.Folder), "Embedding");
        float[] cosines = Read<float>(_context.VisionLanguage().ClipImageTextScorer(_clip.Folder), "Score");
        float[] logits = Read<float>(_context.VisionLanguage().ClipImageTextScorer(_clip.Folder, similarity: ClipSimilarity.Logit), "Score");
        for (int row = 0; row < texts.Length; row++)
        {
            Assert.AreEqual(1, texts[row].Sum(value => value * value), 1e-5);
            Assert.AreEqual(texts[row].Zip(pictures[row], (l, r) => l * r).Sum(), cosines[row], 1e-5);
            Assert.AreEqual(Math.Exp(2.6592) * cosines[row], logits[row], 1e-4);
        }
    }

    [TestMethod]
    public void VectorsThatAreNotNormalisedPointTheSameWay()
    {
        float[][] normal = Read<float[]>(_context.VisionLanguage().ClipTextEmbedder(_clip.Folder), "Embedding");
        float[][] plain = Read<float[]>(_context.VisionLanguage().ClipTextEmbedder(_clip.Folder, normalize: false), "Embedding");
        for (int row = 0; row < plain.Length; row++)
        {
            double length = Math.Sqrt(plain[row].Sum(value => value * value));
            Assert.AreNotEqual(1, length, 1e-3);
            for (int i = 0; i < plain[row].Length; i++)
                Assert.AreEqual(normal[row][i], plain[row][i] / length, 1e-5);
        }
    }

    [TestMethod]
    public void ALongTextNamesItsRowUnlessItIsCut()
    {
        IDataView data = _context.Data.LoadFromEnumerable(new[] { new { Text = "red" }, new { Text = "red green blue red green blue red green blue" } });
        ITransformer strict = _context.VisionLanguage().ClipTextEmbedder(_clip.Folder).Fit(data);
        using var _ = (IDisposable)strict;
        string message = Assert.ThrowsExactly<InvalidOperationException>(() => strict.Transform(data).GetColumn<float[]>("Embedding").ToArray()).Message;
        Assert.Contains("Row 1: text column 'Text' has 11 tokens, and the model reads 10", message);

        ITransformer cutting = _context.VisionLanguage().ClipTextEmbedder(new ClipTextEmbedder.Options { BaseModel = _clip.Folder, TruncateTexts = true }).Fit(data);
        using var __ = (IDisposable)cutting;
        // What is cut is what comes last: the end stays.
        IDataView shorter = _context.Data.LoadFromEnumerable(new[] { new { Text = "red green blue red green blue red green" } });
        Table.AreClose(Table.Read(strict.Transform(shorter), "Embedding"), [Table.Read(cutting.Transform(data), "Embedding")[1]], 1e-6, "Embedding");
    }

    private T[] Read<T>(IEstimator<ITransformer> estimator, string column)
    {
        ITransformer model = estimator.Fit(Data);
        using var _ = (IDisposable)model;
        return [.. model.Transform(Data).GetColumn<T>(column)];
    }
}
