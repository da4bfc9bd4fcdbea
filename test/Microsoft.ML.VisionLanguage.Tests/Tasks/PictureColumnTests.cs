using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Transforms.Image;
using Microsoft.ML.VisionLanguage.Tests.Images;

namespace Microsoft.ML.VisionLanguage.Tests.Tasks;

/// <summary>A picture is the same as bytes, as a file and as an image; whatever is wrong with it names its row.</summary>
[TestClass]
public sealed class PictureColumnTests
{
    private const double Rounding = 1e-5;

    private readonly MLContext _context = new(seed: 1);
    private readonly List<string> _log = [];
    private readonly TinyClip _clip = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("pictures-").FullName;

    public PictureColumnTests() => _context.Log += (_, e) =>
    {
        if (e.Kind == Runtime.ChannelMessageKind.Warning)
            _log.Add(e.Message);
    };

    [TestCleanup]
    public void Delete()
    {
        _clip.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [TestMethod]
    public void EachKindOfColumnGivesTheSame()
    {
        PictureRow row = PictureRow.Some(1)[0];
        string file = Write("row.png", row.Image);
        using MLImage image = MLImage.CreateFromFile(file);
        float[] bytes = Embed(new[] { row })[0];
        AreClose(bytes, Embed(new[] { new { Image = file } })[0]);
        AreClose(bytes, Embed(new[] { new Drawn { Image = image } })[0]);
        Assert.AreEqual(1, bytes.Sum(value => value * value), 1e-4);
    }

    [TestMethod]
    public void AColumnOfNumbersIsRefused() => Assert.Contains("must be a picture", Assert.ThrowsExactly<ArgumentException>(
        () => Embed(new[] { new { Image = 1f } })).Message);

    [TestMethod]
    [DataRow("", "expected the path of a file, found none")]
    [DataRow("nowhere.png", "expected a file that can be read, found none")]
    [DataRow("nowhere/at/all.png", "expected a file that can be read, found none")]
    [DataRow(".", "expected a file, found a folder")]
    [DataRow("empty.png", "expected a picture (JPEG, PNG, GIF, BMP or WebP), found no bytes")]
    [DataRow("text.png", "bytes that begin with 6E6F20706963747")]
    [DataRow("cut.png", "which end before it does")]
    [DataRow("large.png", "one of 60000 by 60000")]
    [DataRow("a\0b", "expected a file that can be read")]
    [DataRow("/dev/zero", "found no bytes")]
    public void APathThatIsNoneNamesRowColumnAndFile(string path, string expected)
    {
        Write("empty.png", []);
        Write("text.png", "no picture"u8.ToArray());
        Write("cut.png", PictureRow.Some(1)[0].Image[..^30]);
        Write("large.png", new PngFile { Width = 60_000, Height = 60_000, ColourType = PngFile.Grey, Lines = [[0]] }.ToBytes());
        string full = path.Length == 0 || path.StartsWith('/') ? path : Path.Combine(_folder, path), whole = Write("whole.png", PictureRow.Some(1)[0].Image);
        InvalidDataException error = Assert.ThrowsExactly<InvalidDataException>(() => Embed(new[] { new { Image = whole }, new { Image = full } }));
        Assert.StartsWith($"Row 1, image column 'Image', file '{full}': ", error.Message);
        Assert.Contains(expected, error.Message);
    }

    [TestMethod]
    public void BytesThatAreNoPictureNameTheirRow()
    {
        PictureRow[] rows = [.. PictureRow.Some(3)];
        rows[2].Image = [];
        Assert.StartsWith("Row 2, image column 'Image': expected a picture", Assert.ThrowsExactly<InvalidDataException>(() => Embed(rows)).Message);
    }

    [TestMethod]
    public void AFileOutsideTheAllowedFolderIsNotOpened()
    {
        string allowed = Directory.CreateDirectory(Path.Combine(_folder, "allowed")).FullName;
        byte[] picture = PictureRow.Some(1)[0].Image;
        string outside = Write("outside.png", picture), inside = Write("allowed/inside.png", picture), link = Path.Combine(allowed, "link.png"), way = Path.Combine(allowed, "way");
        Directory.CreateDirectory(_folder + "/allowed-not");
        string beside = Write("allowed-not/beside.png", picture);
        File.CreateSymbolicLink(link, outside);
        Directory.CreateSymbolicLink(way, _folder);
        var options = new PictureOptions { AllowedFolder = allowed };
        Assert.HasCount(1, Embed(new[] { new { Image = inside } }, options));
        foreach (string path in new[] { outside, link, beside, Path.Combine(way, "outside.png"), Path.Combine(allowed, "..", "outside.png") })
        {
            string message = Assert.ThrowsExactly<InvalidDataException>(() => Embed(new[] { new { Image = path } }, options)).Message;
            Assert.Contains($"'{path}': expected a path below the folder '{allowed}'", message);
        }
        // The folder itself may be reached by a link.
        string door = Path.Combine(_folder, "door");
        Directory.CreateSymbolicLink(door, allowed);
        Assert.HasCount(1, Embed(new[] { new { Image = inside } }, new PictureOptions { AllowedFolder = door }));
    }

    [TestMethod]
    public void WhatCannotBeReadIsMissingByOption()
    {
        byte[] picture = PictureRow.Some(1)[0].Image;
        string whole = Write("whole.png", picture), cut = Write("cut.png", picture[..^30]);
        var rows = new[] { new { Image = whole }, new { Image = "nowhere.png" }, new { Image = cut }, new { Image = whole } };
        IReadOnlyList<float[]> vectors = Embed(rows, new PictureOptions { AllowUnreadable = true });
        Assert.IsTrue(vectors[1].Concat(vectors[2]).All(float.IsNaN));
        AreClose(Embed(rows[..1])[0], vectors[0]);
        AreClose(vectors[0], vectors[3]);
        string warning = Assert.ContainsSingle(_log.Where(line => line.Contains("could not be read")));
        Assert.Contains("2 pictures could not be read and are missing values. The first: Row 1, image column 'Image', file 'nowhere.png'", warning);
    }

    [TestMethod]
    public void WhatCannotBeReadIsLeftOutOfTrainingByOption()
    {
        PictureRow[] rows = [.. PictureRow.Some(6)];
        rows[1].Image = rows[1].Image[..^30];
        rows[4].Image = [];
        var options = new ClipFineTune.Options
        {
            BaseModel = _clip.Folder,
            Task = ClipTask.Pairs(pictures: new PictureOptions { AllowUnreadable = true }),
            Training = new TrainingOptions { MaxEpochs = 1, BatchSize = 4 },
        };
        IDataView data = _context.Data.LoadFromEnumerable(rows);
        using var model = (PeftTransformer)_context.VisionLanguage().ClipFineTune(options).Fit(data);
        Assert.IsTrue(double.IsFinite(model.Training!.Loss));
        Assert.Contains("The training data: 2 pictures could not be read", Assert.ContainsSingle(_log.Where(line => line.Contains("could not be read"))));
        float[] scores = [.. model.Transform(data).GetColumn<float>("Score")];
        CollectionAssert.AreEqual(new[] { 1, 4 }, Enumerable.Range(0, 6).Where(i => float.IsNaN(scores[i])).ToArray());
        // What is said of texts does not need the picture.
        Assert.IsTrue(model.Transform(data).GetColumn<float[]>("TextEmbedding").SelectMany(vector => vector).All(float.IsFinite));
        options.Task = ClipTask.Pairs();
        Assert.StartsWith("Row 1, image column 'Image'", Assert.ThrowsExactly<InvalidDataException>(() => _context.VisionLanguage().ClipFineTune(options).Fit(_context.Data.LoadFromEnumerable(rows[..3]))).Message);
    }

    [TestMethod]
    public void OfAnAnimationTheFirstPictureIsReadWithAWarning()
    {
        var rows = new[] { new PictureRow { Image = GifFile.Of(8, 3) }, new PictureRow { Image = GifFile.Of(8, 1) } };
        IReadOnlyList<float[]> vectors = Embed(rows);
        AreClose(vectors[1], vectors[0]);
        Assert.Contains("1 files have several pictures, of which the first is read. The first: Row 0, image column 'Image'", Assert.ContainsSingle(_log.Where(line => line.Contains("several"))));
    }

    [TestMethod]
    public void AnEngineWarnsOfItsRow()
    {
        IDataView data = _context.Data.LoadFromEnumerable(PictureRow.Some(1));
        var options = new ClipImageEmbedder.Options { BaseModel = _clip.Folder, Pictures = new PictureOptions { AllowUnreadable = true } };
        using var engine = _context.Model.CreatePredictionEngine<PictureRow, Embedded>(_context.VisionLanguage().ClipImageEmbedder(options).Fit(data));
        Assert.IsTrue(engine.Predict(new PictureRow { Image = [1, 2] }).Embedding.All(float.IsNaN));
        Assert.IsTrue(engine.Predict(PictureRow.Some(1)[0]).Embedding.All(float.IsFinite));
        Assert.HasCount(1, _log.Where(line => line.Contains("could not be read")));
    }

    [TestMethod]
    public void OptionsAreSavedWithTheModel()
    {
        byte[] transparent = new PngFile { Width = 1, Height = 1, ColourType = PngFile.Rgba, Lines = [[10, 20, 30, 0]] }.ToBytes();
        PictureRow[] rows = [new() { Image = transparent }, new() { Image = [1] }];
        IDataView data = _context.Data.LoadFromEnumerable(rows);
        var options = new PictureOptions { DropAlpha = true, AllowUnreadable = true };
        string archive = Path.Combine(_folder, "model.zip");
        using (var model = (IDisposable)_context.VisionLanguage().ClipImageEmbedder(new ClipImageEmbedder.Options { BaseModel = _clip.Folder, Pictures = options }).Fit(data))
            _context.Model.Save((ITransformer)model, data.Schema, archive);
        ITransformer loaded = _context.Model.Load(archive, out DataViewSchema schema);
        using var _ = (IDisposable)loaded;
        float[][] vectors = [.. loaded.Transform(data).GetColumn<float[]>("Embedding")];
        Assert.IsNotNull(schema);
        AreClose(Embed(rows[..1], options)[0], vectors[0]);
        Assert.IsGreaterThan(100 * Rounding, Distance(Embed(rows[..1])[0], vectors[0]));
        Assert.IsTrue(vectors[1].All(float.IsNaN));
    }

    // Of the same picture in a batch of another size, or at another place in it, sums are made in another order.
    private static void AreClose(float[] expected, float[] found) => Assert.IsLessThan(Rounding, Distance(expected, found));

    private static double Distance(float[] left, float[] right)
    {
        Assert.HasCount(left.Length, right);
        return left.Zip(right, (a, b) => Math.Abs((double)a - b)).Max();
    }

    private string Write(string name, byte[] content)
    {
        string file = Path.Combine(_folder, name);
        File.WriteAllBytes(file, content);
        return file;
    }

    private IReadOnlyList<float[]> Embed<T>(IEnumerable<T> rows, PictureOptions? options = null)
        where T : class
    {
        IDataView data = _context.Data.LoadFromEnumerable(rows);
        ITransformer model = _context.VisionLanguage().ClipImageEmbedder(new ClipImageEmbedder.Options
        {
            BaseModel = _clip.Folder, ScoringBatchSize = 2, Pictures = options ?? new(),
        }).Fit(data);
        using var _ = (IDisposable)model;
        return [.. model.Transform(data).GetColumn<float[]>("Embedding")];
    }

    private sealed class Drawn
    {
        [ImageType(20, 18)]
        public MLImage? Image { get; set; }
    }

    private sealed class Embedded
    {
        public float[] Embedding { get; set; } = [];
    }
}
