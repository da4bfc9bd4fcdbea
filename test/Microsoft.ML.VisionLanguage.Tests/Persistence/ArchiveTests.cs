using System.Diagnostics;
using System.Globalization;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.VisionLanguage.Tests.Persistence;

/// <summary>Models of pictures in a process of their own, whose program knows of Microsoft.ML and this library alone.</summary>
[TestClass]
public sealed class ArchiveTests
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(2);

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
    public void AnEmbedderSaysTheSameInAFreshProcess() =>
        AssertSame(_context.VisionLanguage().ClipImageEmbedder(_clip.Folder));

    [TestMethod]
    public void ATextEmbedderSaysTheSameInAFreshProcess() =>
        AssertSame(_context.VisionLanguage().ClipTextEmbedder(_clip.Folder));

    [TestMethod]
    public void AZeroShotClassifierSaysTheSameInAFreshProcess() =>
        AssertSame(_context.VisionLanguage().ClipZeroShotClassifier(_clip.Folder, ["red", "green", "blue"], ["a {}", "a dark {}"], topK: 2));

    [TestMethod]
    public void AScorerSaysTheSameInAFreshProcess() =>
        AssertSame(_context.VisionLanguage().ClipImageTextScorer(_clip.Folder, similarity: ClipSimilarity.Logit));

    [TestMethod]
    public void ARetrieverSaysTheSameInAFreshProcess() =>
        AssertSame(_context.VisionLanguage().ClipRetriever(_clip.Folder, idColumnName: "Text", topK: 3));

    [TestMethod]
    public void AFineTunedModelSaysTheSameInAFreshProcess() =>
        AssertSame(_context.VisionLanguage().ClipFineTune(_clip.Folder, rank: 2, maxEpochs: 2, batchSize: 4, learningRate: 1e-2));

    [TestMethod]
    public void AModelTrainedAsAWholeSaysTheSameInAFreshProcess() => AssertSame(_context.VisionLanguage().ClipFineTune(new ClipFineTune.Options
    {
        BaseModel = _clip.Folder, Adapter = null, Training = new() { MaxEpochs = 1, BatchSize = 4 },
    }));

    [TestMethod]
    public void TheProgramNamesNothingOfPeft()
    {
        using var stream = File.OpenRead(Program);
        using var image = new PEReader(stream);
        MetadataReader metadata = image.GetMetadataReader();
        string[] named = [.. metadata.AssemblyReferences.Select(handle => metadata.GetString(metadata.GetAssemblyReference(handle).Name))];
        CollectionAssert.Contains(named, "Microsoft.ML.Data");
        Assert.IsEmpty(named.Where(name => name.StartsWith("Microsoft.ML.Peft", StringComparison.Ordinal)));
    }

    private static string Program => Path.Combine(
        AppContext.BaseDirectory.Replace("Microsoft.ML.VisionLanguage.Tests", "PictureApp", StringComparison.Ordinal), "PictureApp.dll");

    private void AssertSame(IEstimator<ITransformer> estimator)
    {
        string pictures = Directory.CreateDirectory(Path.Combine(_folder, "pictures")).FullName, archive = Path.Combine(_folder, "model.zip");
        foreach (PictureRow row in PictureRow.Some(6).DistinctBy(row => row.Text))
            File.WriteAllBytes(Path.Combine(pictures, row.Text + ".png"), row.Image);
        IDataView rows = _context.Data.LoadFromEnumerable(Directory.GetFiles(pictures).Order(StringComparer.Ordinal)
            .Select(file => new PictureFile { Image = file, Text = Path.GetFileNameWithoutExtension(file) }));
        ITransformer model = estimator.Fit(rows);
        _context.Model.Save(model, rows.Schema, archive);
        string[] before = [.. Lines(model.Transform(rows), rows.Schema.Count)];
        ((IDisposable)model).Dispose();
        Assert.IsNotEmpty(before);
        // All that the other process has is the archive.
        string away = _clip.Folder + "-away";
        Directory.Move(_clip.Folder, away);
        try
        {
            CollectionAssert.AreEqual(before, Run(archive, pictures));
        }
        finally
        {
            Directory.Move(away, _clip.Folder);
        }
    }

    private static IEnumerable<string> Lines(IDataView scored, int first) =>
        scored.Schema.Skip(first).SelectMany(column => Read(scored, column).Select(row => $"{column.Name} {row}"));

    private static IEnumerable<string> Read(IDataView scored, DataViewSchema.Column column) => column.Type switch
    {
        VectorDataViewType { ItemType: TextDataViewType } => scored.GetColumn<string[]>(column).Select(row => string.Join(' ', row)),
        VectorDataViewType { ItemType: KeyDataViewType } => scored.GetColumn<uint[]>(column).Select(row => string.Join(' ', row)),
        VectorDataViewType => scored.GetColumn<float[]>(column).Select(row => string.Join(' ', row.Select(Exact))),
        KeyDataViewType => scored.GetColumn<uint>(column).Select(key => $"{key}"),
        _ => scored.GetColumn<float>(column).Select(Exact),
    };

    private static string Exact(float value) => value.ToString("R", CultureInfo.InvariantCulture);

    private static string[] Run(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", ["exec", Program, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(s_limit))
        {
            process.Kill();
            Assert.Fail($"The process took longer than {s_limit}.");
        }
        Assert.AreEqual(0, process.ExitCode, $"{output.Result}{errors.Result}");
        return output.Result.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
    }

    private sealed class PictureFile
    {
        public string Image { get; set; } = "";

        public string Text { get; set; } = "";
    }
}
