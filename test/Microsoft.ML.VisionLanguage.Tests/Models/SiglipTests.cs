using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.VisionLanguage.Models;
using Microsoft.ML.VisionLanguage.Tests.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Tests.Models;

/// <summary>A tiny SigLIP through the same doors as CLIP. What its towers make of pictures and texts, the family siglip tells.</summary>
[TestClass]
public sealed class SiglipTests
{
    private readonly MLContext _context = new(seed: 1);
    private readonly TinyClip _folder = new(change: TinyClip.AsSiglip);

    [TestCleanup]
    public void Delete() => _folder.Dispose();

    [TestMethod]
    public void TextsAreFilledUpToTheLongestWhateverTheirBatch()
    {
        using var scope = NewDisposeScope();
        using var model = (Siglip)BaseModels.Open(_folder.Folder, CPU, seed: 1);
        Tensor whole = Encode([0, 3, 5, 1, 1, 1, 1, 1, 1, 1], 10, null);
        TensorAssert.Close(whole, Encode([0, 3, 5, 1], 4, null), 1e-6, 1e-6, "alone");
        TensorAssert.Close(whole, Encode([0, 3, 5, 1, 0, 0], 6, [true, true, true, true, false, false]), 1e-6, 1e-6, "beside a longer one");

        Tensor Encode(long[] ids, long length, bool[]? real)
        {
            using var batch = new Batch { Ids = tensor(ids, [1, length], ScalarType.Int64, CPU), Mask = real is null ? null : tensor(real, [1, length], device: CPU), PadsEnd = true, Examples = [] };
            return model.Texts.Encode(batch, ForwardContext.Inference);
        }
    }

    [TestMethod]
    public void AnEmbedderSaysWhatThePictureTowerSays()
    {
        IDataView data = _context.Data.LoadFromEnumerable(PictureRow.Some(5));
        ITransformer embedder = _context.VisionLanguage().ClipImageEmbedder(_folder.Folder).Fit(data);
        using var _ = (IDisposable)embedder;
        float[][] vectors = [.. embedder.Transform(data).GetColumn<float[]>("Embedding")];
        Assert.IsTrue(vectors.All(vector => vector.Length == TinyClip.Width && Math.Abs(vector.Sum(x => x * x) - 1) < 1e-5));
    }

    [TestMethod]
    [DataRow(ClipTowers.Both, true)]
    [DataRow(ClipTowers.Text, false)]
    public void PairsAreLearntSavedAndScored(ClipTowers towers, bool lora)
    {
        IDataView data = _context.Data.LoadFromEnumerable(PictureRow.Some(24));
        using var model = (PeftTransformer)_context.VisionLanguage().ClipFineTune(new ClipFineTune.Options
        {
            BaseModel = _folder.Folder,
            Towers = towers,
            Adapter = lora ? new LoraOptions { Rank = 2, TargetModules = [LoraOptions.AllLinear] } : null,
            Training = new TrainingOptions { MaxEpochs = 20, BatchSize = 12, LearningRate = 1e-2 },
        }).Fit(data);
        Assert.IsLessThan(0.9 * model.Training!.History[0].Loss, model.Training.Loss);
        AssertSavedAlike(model, data, "ImageEmbedding", "TextEmbedding");
    }

    [TestMethod]
    public void ClassesAreToldByTheirNames()
    {
        IDataView data = _context.Data.LoadFromEnumerable(PictureRow.Some(6));
        string[] labels = ["red square", "blue stripes", "green square"];
        ITransformer model = _context.VisionLanguage().ClipZeroShotClassifier(_folder.Folder, labels).Fit(data);
        using var _ = (IDisposable)model;
        float[][] scores = [.. model.Transform(data).GetColumn<float[]>("Score")];
        Assert.IsTrue(scores.All(row => row.Length == labels.Length && Math.Abs(row.Sum() - 1) < 1e-5));
        // Other pictures have other scores.
        CollectionAssert.AreNotEqual(scores[0], scores[1]);
        AssertSavedAlike(model, data, "Score");
    }

    [TestMethod]
    public void ATextFindsThePictureOfThatCosine()
    {
        IDataView data = _context.Data.LoadFromEnumerable(PictureRow.Some(6));
        IDataView gallery = _context.Data.LoadFromEnumerable(PictureRow.Some(6).Select((row, i) => new { row.Image, Id = $"{i}" }));
        ITransformer search = _context.VisionLanguage().ClipRetriever(_folder.Folder, gallery: ClipModality.Image, query: ClipModality.Text, topK: 6).Fit(gallery);
        ITransformer scorer = _context.VisionLanguage().ClipImageTextScorer(_folder.Folder).Fit(data);
        using IDisposable first = (IDisposable)search, second = (IDisposable)scorer;
        IDataView found = search.Transform(data);
        string[][] ids = [.. found.GetColumn<string[]>("Ids")];
        float[][] cosines = [.. found.GetColumn<float[]>("Scores")];
        foreach (var (pair, i) in scorer.Transform(data).GetColumn<float>("Score").Select((score, i) => (score, i)))
            Assert.AreEqual(pair, cosines[i][Array.IndexOf(ids[i], $"{i}")], 1e-5);
        AssertSavedAlike(search, data, "Scores");
    }

    private void AssertSavedAlike(ITransformer model, IDataView data, params string[] columns)
    {
        string folder = Directory.CreateTempSubdirectory("siglip-").FullName;
        try
        {
            string file = Path.Combine(folder, "model.zip");
            _context.Model.SaveAtomically(model, data.Schema, file);
            ITransformer loaded = new MLContext().Model.Load(file, out _);
            using var held = (IDisposable)loaded;
            foreach (string column in columns)
            {
                foreach (var (expected, actual) in model.Transform(data).GetColumn<float[]>(column).Zip(loaded.Transform(data).GetColumn<float[]>(column)))
                    CollectionAssert.AreEqual(expected, actual, column);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [TestMethod]
    public void TowersOfTwoSpacesAreRefused()
    {
        HfConfig config = HfConfig.Parse(
            File.ReadAllText(Path.Combine(_folder.Folder, HfConfig.FileName)).Replace("\"pad_token_id\":1", "\"pad_token_id\":1,\"projection_size\":6", StringComparison.Ordinal), "config.json");
        Assert.Contains("ends in 6", Assert.ThrowsExactly<InvalidDataException>(() => Peft.Models.ModelRegistry.Create(config, null, CPU, seed: 1)).Message);
    }

    [TestMethod]
    public void ATowerWithoutAHeadIsRefused()
    {
        HfConfig config = HfConfig.Parse(
            File.ReadAllText(Path.Combine(_folder.Folder, HfConfig.FileName)).Replace("\"image_size\"", "\"vision_use_head\":false,\"image_size\"", StringComparison.Ordinal), "config.json");
        Assert.Contains("vision_use_head", Assert.ThrowsExactly<NotSupportedException>(() => Peft.Models.ModelRegistry.Create(config, null, CPU, seed: 1)).Message);
    }
}
