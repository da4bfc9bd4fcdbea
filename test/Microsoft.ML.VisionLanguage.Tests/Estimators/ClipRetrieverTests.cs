using Microsoft.ML.Data;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.VisionLanguage.Tests.Estimators;

[TestClass]
public sealed class ClipRetrieverTests
{
    private readonly MLContext _context = new(seed: 1);
    private readonly TinyClip _clip = new();
    private readonly Item[] _items = [.. PictureRow.Some(6).Select((row, i) => new Item { Id = $"item {i}", Key = 100L + i, Image = row.Image, Text = row.Text })];

    [TestCleanup]
    public void Delete() => _clip.Dispose();

    private IDataView Gallery => _context.Data.LoadFromEnumerable(_items);

    [TestMethod]
    [DataRow(ClipModality.Image, ClipModality.Text)]
    [DataRow(ClipModality.Text, ClipModality.Image)]
    [DataRow(ClipModality.Image, ClipModality.Image)]
    [DataRow(ClipModality.Text, ClipModality.Text)]
    public void TheNearestComeFirst(ClipModality gallery, ClipModality query)
    {
        ITransformer model = _context.VisionLanguage().ClipRetriever(_clip.Folder, gallery, query, topK: 4).Fit(Gallery);
        using var _ = (IDisposable)model;
        // Queries need the one column.
        IDataView queries = query == ClipModality.Image
            ? _context.Data.LoadFromEnumerable(_items.Select(item => new Picture { Image = item.Image }))
            : _context.Data.LoadFromEnumerable(_items.Select(item => new { item.Text }));
        IDataView found = model.Transform(queries);
        string[][] ids = [.. found.GetColumn<string[]>("Ids")];
        float[][] scores = [.. found.GetColumn<float[]>("Scores")], all = Vectors(gallery), asked = Vectors(query);
        for (int row = 0; row < asked.Length; row++)
        {
            double[] cosines = [.. all.Select(vector => vector.Zip(asked[row], (l, r) => (double)l * r).Sum())];
            double[] best = [.. cosines.OrderDescending().Take(4)];
            for (int i = 0; i < best.Length; i++)
            {
                Assert.AreEqual(best[i], scores[row][i], 1e-5);
                Assert.AreEqual(cosines[Array.FindIndex(_items, item => item.Id == ids[row][i])], scores[row][i], 1e-5);
            }
            Assert.HasCount(4, ids[row].Distinct());
        }
    }

    [TestMethod]
    public void IdsKeepTheirTypeAndAreSaved()
    {
        ITransformer model = _context.VisionLanguage().ClipRetriever(_clip.Folder, query: ClipModality.Image, idColumnName: "Key", topK: 99).Fit(Gallery);
        using var file = new MemoryStream();
        _context.Model.Save(model, Gallery.Schema, file);
        ((IDisposable)model).Dispose();
        ITransformer loaded = new MLContext().Model.Load(file, out DataViewSchema _);
        using var _ = (IDisposable)loaded;
        long[][] ids = [.. loaded.Transform(Gallery).GetColumn<long[]>("Ids")];
        for (int row = 0; row < _items.Length; row++)
        {
            Assert.AreEqual(_items[row].Key, ids[row][0]);
            // As many as there are.
            CollectionAssert.AreEquivalent(_items.Select(item => item.Key).ToArray(), ids[row]);
        }
    }

    [TestMethod]
    public void OneQueryAtATime()
    {
        ITransformer model = _context.VisionLanguage().ClipRetriever(_clip.Folder, topK: 2).Fit(Gallery);
        string[][] expected = [.. model.Transform(Gallery).GetColumn<string[]>("Ids")];
        using var engine = _context.Model.CreatePredictionEngine<Item, Answer>(model);
        for (int row = 0; row < _items.Length; row++)
        {
            Answer answer = engine.Predict(_items[row]);
            CollectionAssert.AreEqual(expected[row], answer.Ids);
            Assert.IsGreaterThanOrEqualTo(answer.Scores[1], answer.Scores[0]);
        }
    }

    /// <summary>A picture that cannot be read is no row of the gallery, and finds nothing, where that is allowed.</summary>
    [TestMethod]
    public void APictureThatIsMissingIsNotFoundAndFindsNothing()
    {
        _items[2].Image = [1, 2, 3];
        var warnings = new List<string>();
        _context.Log += (_, e) => warnings.Add(e.Message);
        ITransformer model = _context.VisionLanguage().ClipRetriever(
            new ClipRetriever.Options { BaseModel = _clip.Folder, Query = ClipModality.Image, TopK = 9, Pictures = new() { AllowUnreadable = true } }).Fit(Gallery);
        using var _ = (IDisposable)model;
        Assert.IsTrue(warnings.Exists(warning => warning.Contains("1 rows of the gallery have no picture", StringComparison.Ordinal)));
        IDataView found = model.Transform(Gallery);
        string[][] ids = [.. found.GetColumn<string[]>("Ids")];
        CollectionAssert.AreEqual(new[] { "", "", "", "", "" }, ids[2]);
        Assert.IsTrue(found.GetColumn<float[]>("Scores").ElementAt(2).All(float.IsNaN));
        CollectionAssert.AreEquivalent(_items.Where(item => item.Id != "item 2").Select(item => item.Id).ToArray(), ids[3]);
    }

    /// <summary>A base that stays outside is found again, and holds no vector of the gallery.</summary>
    [TestMethod]
    public void ABaseOutsideStaysThere()
    {
        ITransformer model = _context.VisionLanguage().ClipRetriever(new ClipRetriever.Options { BaseModel = _clip.Folder, TopK = 2, EmbedBase = false }).Fit(Gallery);
        using var file = new MemoryStream();
        _context.Model.Save(model, Gallery.Schema, file);
        string[][] expected = [.. model.Transform(Gallery).GetColumn<string[]>("Ids")];
        ((IDisposable)model).Dispose();
        ITransformer loaded = new MLContext().Model.Load(file, out DataViewSchema _);
        using var _ = (IDisposable)loaded;
        string[][] found = [.. loaded.Transform(Gallery).GetColumn<string[]>("Ids")];
        for (int row = 0; row < expected.Length; row++)
            CollectionAssert.AreEqual(expected[row], found[row]);
    }

    [TestMethod]
    public void AnIdIsThereOnce()
    {
        _items[3].Id = _items[1].Id;
        Assert.Contains("'item 1' in row 1 and in row 3", Refused(Gallery));
        _items[3].Id = "";
        Assert.Contains("Row 3: id column 'Id' has no value", Refused(Gallery));
        Assert.Contains("no row", Refused(_context.Data.LoadFromEnumerable(Array.Empty<Item>())));
        Assert.Contains("Id column 'Id' must be text or a number", Refused(_context.Transforms.Conversion.MapValueToKey("Id").Fit(Gallery).Transform(Gallery)));
        Assert.Contains("TopK", Assert.Throws<ArgumentException>(() => _context.VisionLanguage().ClipRetriever(_clip.Folder, topK: 0)).Message);
    }

    /// <summary>More rows than a block, so that blocks meet.</summary>
    [TestMethod]
    public void ALargeGalleryIsSearchedToItsEnd()
    {
        const int Rows = 700;
        var pictures = Enumerable.Range(0, Rows).Select(i => new Item { Key = i, Image = PictureRow.Png(16, 16, (x, y) => ((byte)(i * 7), (byte)(x * 9 + i), (byte)(y * 5 + (i * 3)))) }).ToArray();
        ITransformer model = _context.VisionLanguage().ClipRetriever(_clip.Folder, query: ClipModality.Image, idColumnName: "Key", topK: 1, batchSize: 64)
            .Fit(_context.Data.LoadFromEnumerable(pictures));
        using var _ = (IDisposable)model;
        float[] scores = [.. model.Transform(_context.Data.LoadFromEnumerable(pictures)).GetColumn<float[]>("Scores").Select(row => row[0])];
        Assert.HasCount(Rows, scores);
        Assert.IsTrue(scores.All(score => score > 0.99999f), "A picture is nearest to itself.");
    }

    private string Refused(IDataView gallery) => Assert.Throws<ArgumentException>(() => _context.VisionLanguage().ClipRetriever(_clip.Folder).Fit(gallery)).Message;

    private float[][] Vectors(ClipModality modality)
    {
        IEstimator<ITransformer> embedder = modality == ClipModality.Image
            ? _context.VisionLanguage().ClipImageEmbedder(_clip.Folder) : _context.VisionLanguage().ClipTextEmbedder(_clip.Folder);
        ITransformer model = embedder.Fit(Gallery);
        using var _ = (IDisposable)model;
        return [.. model.Transform(Gallery).GetColumn<float[]>("Embedding")];
    }

    private sealed class Item
    {
        public string Id { get; set; } = "";

        public long Key { get; set; }

        public byte[] Image { get; set; } = [];

        public string Text { get; set; } = "";
    }

    private sealed class Answer
    {
        public string[] Ids { get; set; } = [];

        public float[] Scores { get; set; } = [];
    }

    private sealed class Picture
    {
        public byte[] Image { get; set; } = [];
    }
}
