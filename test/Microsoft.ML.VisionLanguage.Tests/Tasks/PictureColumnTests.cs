using Microsoft.ML.Data;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Transforms.Image;

namespace Microsoft.ML.VisionLanguage.Tests.Tasks;

/// <summary>A picture is the same as bytes, as a file and as an image.</summary>
[TestClass]
public sealed class PictureColumnTests
{
    private readonly MLContext _context = new(seed: 1);
    private readonly TinyClip _clip = new();

    [TestCleanup]
    public void Delete() => _clip.Dispose();

    [TestMethod]
    public void EachKindOfColumnGivesTheSame()
    {
        PictureRow row = PictureRow.Some(1)[0];
        string file = Path.Combine(_clip.Folder, "row.png");
        File.WriteAllBytes(file, row.Image);
        using MLImage image = MLImage.CreateFromFile(file);
        float[] bytes = Embed(new[] { row });
        CollectionAssert.AreEqual(bytes, Embed(new[] { new { Image = file } }));
        CollectionAssert.AreEqual(bytes, Embed(new[] { new Drawn { Image = image } }));
        Assert.AreEqual(1, bytes.Sum(value => value * value), 1e-4);
    }

    [TestMethod]
    public void AColumnOfNumbersIsRefused() => Assert.Contains("must be a picture", Assert.ThrowsExactly<ArgumentException>(
        () => Embed(new[] { new { Image = 1f } })).Message);

    [TestMethod]
    public void AnEmptyPictureNamesItsRow() => Assert.Contains("Row 0", Assert.Throws<InvalidOperationException>(
        () => Embed(new[] { new PictureRow() })).Message);

    private float[] Embed<T>(IEnumerable<T> rows)
        where T : class
    {
        IDataView data = _context.Data.LoadFromEnumerable(rows);
        ITransformer model = _context.VisionLanguage().ClipImageEmbedder(_clip.Folder).Fit(data);
        using var _ = (IDisposable)model;
        return model.Transform(data).GetColumn<float[]>("Embedding").First();
    }

    private sealed class Drawn
    {
        [ImageType(20, 18)]
        public MLImage? Image { get; set; }
    }
}
