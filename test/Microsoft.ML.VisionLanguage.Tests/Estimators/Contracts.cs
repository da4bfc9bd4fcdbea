using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.VisionLanguage.Tests.Estimators;

/// <summary>The contract over a tiny CLIP.</summary>
public abstract class TinyClipContract : EstimatorContract
{
    private readonly TinyClip _clip = new();

    protected override string OtherColumn => "Number";

    protected string Folder => _clip.Folder;

    [TestCleanup]
    public void DeleteModel() => _clip.Dispose();

    protected override IDataView CreateData() => Context.Data.LoadFromEnumerable(PictureRow.Some(13));
}

[TestClass]
public sealed class ClipImageEmbedderContract : TinyClipContract
{
    protected override IReadOnlyList<string> InputColumns => ["Image"];

    protected override IEstimator<ITransformer> CreateEstimator() => Context.VisionLanguage().ClipImageEmbedder(Folder, batchSize: 4);
}

[TestClass]
public sealed class ClipFineTuneContract : TinyClipContract
{
    protected override IReadOnlyList<string> InputColumns => ["Image", "Text"];

    protected override IEstimator<ITransformer> CreateEstimator() => Context.VisionLanguage().ClipFineTune(Folder, rank: 2, maxEpochs: 1, batchSize: 4);
}

/// <summary>With all that a fit can be asked for: a locked tower, batches in pieces, weights between start and end.</summary>
[TestClass]
public sealed class ClipLockedFineTuneContract : TinyClipContract
{
    protected override IReadOnlyList<string> InputColumns => ["Image", "Text"];

    protected override IEstimator<ITransformer> CreateEstimator() => Context.VisionLanguage().ClipFineTune(new ClipFineTune.Options
    {
        BaseModel = Folder,
        Adapter = null,
        Towers = ClipTowers.Text,
        ValidationSet = CreateData(),
        WiseFt = new WiseFtOptions { Shares = [0.5, 1] },
        Training = new() { MaxEpochs = 1, BatchSize = 8, MiniBatchSize = 3, LearningRate = 1e-3 },
    });
}
