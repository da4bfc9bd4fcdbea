using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Transforms.Image;

namespace Microsoft.ML.VisionLanguage.Tests.Inputs;

/// <summary>Pictures that are varied in training, and images that go through while rows are read ahead.</summary>
[TestClass]
public sealed class PictureTrainingTests
{
    private static readonly PictureAugmentation s_varied = new() { MinCropArea = 0.3, FlipProbability = 0.5, Brightness = 0.3, Contrast = 0.3, Saturation = 0.3 };

    private readonly MLContext _context = new(seed: 1);
    private readonly TinyClip _clip = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("pictures-").FullName;

    [TestCleanup]
    public void Delete()
    {
        _clip.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [TestMethod]
    public void AResumedRunSeesTheSamePictures()
    {
        float[] whole = Fit(s_varied);
        CollectionAssert.AreEqual(whole, Fit(s_varied));
        CollectionAssert.AreNotEqual(whole, Fit(null));
        using var stop = new CancellationTokenSource();
        Assert.ThrowsExactly<OperationCanceledException>(() => Fit(s_varied, _folder, stop));
        // Another picture would be another run.
        Assert.Contains("settings of the inputs", Assert.ThrowsExactly<InvalidDataException>(() => Fit(null, _folder)).Message);
        CollectionAssert.AreEqual(whole, Fit(s_varied, _folder));
    }

    [TestMethod]
    public void ImagesGoThroughAndAreTheReaders()
    {
        PictureRow[] rows = [.. PictureRow.Some(9)];
        string[] files = [.. rows.Select((row, i) => Write($"{i}.png", row.Image))];
        IDataView paths = _context.Data.LoadFromEnumerable(files.Select(file => new PathRow { Path = file }));
        var pipeline = _context.Transforms.LoadImages("Image", imageFolder: null, "Path").Append(_context.VisionLanguage().ClipImageEmbedder(_clip.Folder, batchSize: 4));
        using var model = (IDisposable)pipeline.Fit(paths);
        IDataView scored = ((ITransformer)model).Transform(paths);
        var read = new List<MLImage>();
        using (DataViewRowCursor ahead = scored.GetRowCursor([scored.Schema["Image"], scored.Schema["Embedding"]]))
        {
            var each = ahead.GetGetter<MLImage>(scored.Schema["Image"]);
            while (ahead.MoveNext())
            {
                MLImage? image = null;
                each(ref image!);
                read.Add(image);
            }
        }
        Assert.HasCount(9, read);
        for (int i = 0; i < read.Count; i++)
        {
            // Long after the rows behind it were read.
            using MLImage image = read[i], own = MLImage.CreateFromFile(files[i]);
            CollectionAssert.AreEqual(own.Pixels.ToArray(), image.Pixels.ToArray());
            Assert.AreEqual(own.PixelFormat, image.PixelFormat);
        }
        // What is read into the same place gives back what was there.
        using DataViewRowCursor cursor = scored.GetRowCursor([scored.Schema["Image"], scored.Schema["Embedding"]]);
        var getter = cursor.GetGetter<MLImage>(scored.Schema["Image"]);
        MLImage? value = null, before = null;
        while (cursor.MoveNext())
        {
            getter(ref value!);
            if (before is not null)
                Assert.Throws<Exception>(() => before.Pixels.Length);
            Assert.IsFalse(value.Pixels.IsEmpty);
            before = value;
        }
        value?.Dispose();
    }

    [TestMethod]
    public void UsersImagesStayTheirs()
    {
        using MLImage first = PictureRow.Draw(20, 18, (x, y) => ((byte)(10 * x), (byte)y, 7)), second = PictureRow.Draw(20, 18, (x, y) => ((byte)y, 99, (byte)x));
        IDataView data = _context.Data.LoadFromEnumerable(new[] { new ImageRow { Image = first }, new ImageRow { Image = second } });
        for (int pass = 0; pass < 2; pass++)
        {
            ITransformer model = _context.VisionLanguage().ClipImageEmbedder(_clip.Folder).Fit(data);
            using var _ = (IDisposable)model;
            Assert.HasCount(2, model.Transform(data).GetColumn<float[]>("Embedding"));
            foreach (ScoredRow row in _context.Data.CreateEnumerable<ScoredRow>(model.Transform(data), reuseRowObject: false))
                row.Image!.Dispose();
        }
        Assert.AreEqual(20 * 18 * 4, first.Pixels.Length);
        Assert.AreEqual(20 * 18 * 4, second.Pixels.Length);
    }

    private float[] Fit(PictureAugmentation? augmentation, string? checkpoints = null, CancellationTokenSource? stop = null)
    {
        IDataView data = _context.Data.LoadFromEnumerable(PictureRow.Some(12));
        var options = new ClipFineTune.Options
        {
            BaseModel = _clip.Folder,
            Task = ClipTask.Pairs(pictures: new PictureOptions { Augmentation = augmentation }),
            ValidationSet = data,
            Training = new TrainingOptions { MaxEpochs = 3, BatchSize = 4, LearningRate = 1e-2, CheckpointFolder = checkpoints, CancellationToken = stop?.Token ?? default },
        };
        options.Training.Progress = new Stopping(progress =>
        {
            if (progress.Step == 4)
                stop?.Cancel();
        });
        using var model = (PeftTransformer)_context.VisionLanguage().ClipFineTune(options).Fit(data);
        return [.. model.Transform(data).GetColumn<float[]>("ImageEmbedding").SelectMany(vector => vector)];
    }

    private string Write(string name, byte[] content)
    {
        string file = Path.Combine(_folder, name);
        File.WriteAllBytes(file, content);
        return file;
    }

    private sealed class Stopping(Action<TrainingProgress> report) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => report(value);
    }

    private sealed class PathRow
    {
        public string Path { get; set; } = "";
    }

    private class ImageRow
    {
        [ImageType(20, 18)]
        public MLImage? Image { get; set; }
    }

    private sealed class ScoredRow : ImageRow
    {
        public float[] Embedding { get; set; } = [];
    }
}
