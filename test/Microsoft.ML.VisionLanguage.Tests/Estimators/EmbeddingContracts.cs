namespace Microsoft.ML.VisionLanguage.Tests.Estimators;

[TestClass]
public sealed class ClipTextEmbedderContract : TinyClipContract
{
    protected override IReadOnlyList<string> InputColumns => ["Text"];

    protected override IEstimator<ITransformer> CreateEstimator() => Context.VisionLanguage().ClipTextEmbedder(Folder, batchSize: 4);
}

[TestClass]
public sealed class ClipZeroShotClassifierContract : TinyClipContract
{
    protected override IReadOnlyList<string> InputColumns => ["Image"];

    protected override IEstimator<ITransformer> CreateEstimator() =>
        Context.VisionLanguage().ClipZeroShotClassifier(Folder, ["red", "green", "blue"], ["a {}", "a dark {label} square"], topK: 2, batchSize: 4);
}

/// <summary>Labels of another type than text, which come from a column.</summary>
[TestClass]
public sealed class ClipZeroShotClassifierOfAColumnContract : TinyClipContract
{
    protected override IReadOnlyList<string> InputColumns => ["Image", "TextKey"];

    // Scoring needs no labels: what is missing is missed by the fit alone.
    protected override IReadOnlyList<string> FittedColumns => ["TextKey"];

    protected override IDataView CreateData()
    {
        IDataView data = base.CreateData();
        return Context.Transforms.Conversion.MapValueToKey("TextKey", "Text").Fit(data).Transform(data);
    }

    protected override IEstimator<ITransformer> CreateEstimator() => Context.VisionLanguage().ClipZeroShotClassifier(
        new ClipZeroShotClassifier.Options { BaseModel = Folder, LabelColumnName = "TextKey", TopK = 20, ScoringBatchSize = 4 });
}

[TestClass]
public sealed class ClipImageTextScorerContract : TinyClipContract
{
    protected override IReadOnlyList<string> InputColumns => ["Image", "Text"];

    protected override IEstimator<ITransformer> CreateEstimator() =>
        Context.VisionLanguage().ClipImageTextScorer(Folder, similarity: ClipSimilarity.Logit, batchSize: 4);
}

[TestClass]
public sealed class ClipRetrieverContract : TinyClipContract
{
    protected override IReadOnlyList<string> InputColumns => ["Image", "Number"];

    protected override IReadOnlyList<string> FittedColumns => ["Number"];

    protected override string OtherColumn => "Text";

    protected override IEstimator<ITransformer> CreateEstimator() =>
        Context.VisionLanguage().ClipRetriever(Folder, query: ClipModality.Image, idColumnName: "Number", topK: 3, batchSize: 4);
}
