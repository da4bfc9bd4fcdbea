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
