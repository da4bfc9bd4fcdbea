using Microsoft.ML.VisionLanguage;

namespace Microsoft.ML;

public sealed partial class VisionLanguageCatalog
{
    /// <summary>Tells the class of pictures by the names of the classes, with CLIP as it is.</summary>
    /// <param name="model">The folder of a CLIP: config.json, weights, tokenizer and preprocessor_config.json.</param>
    /// <param name="labels">The classes, two or more.</param>
    /// <param name="templates">
    /// What is said of a picture of a class, <c>{}</c> standing for the label; null (the default) for <see cref="ClipTemplates.Default"/>.
    /// <see cref="ClipTemplates.ImageNet"/> are the paper's 80.
    /// </param>
    /// <param name="imageColumnName">The pictures: bytes, paths of files, or images.</param>
    /// <param name="outputColumnName">The predicted label, a key.</param>
    /// <param name="scoreColumnName">The probabilities of all labels.</param>
    /// <param name="topK">How many of the likeliest labels get columns of their own, <c>TopLabels</c> and <c>TopScores</c>; null (the default) for none.</param>
    /// <param name="batchSize">Pictures scored at once.</param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentException">An argument is missing or out of range: labels that are empty or there twice, no template, one without its place for the label.</exception>
    public ClipZeroShotClassifier ClipZeroShotClassifier(
        string model, IReadOnlyList<string> labels, IReadOnlyList<string>? templates = null, string imageColumnName = "Image",
        string outputColumnName = "PredictedLabel", string scoreColumnName = "Score", int? topK = null, int batchSize = 32) =>
        ClipZeroShotClassifier(new ClipZeroShotClassifier.Options
        {
            BaseModel = model,
            Labels = Given(labels),
            Templates = templates ?? ClipTemplates.Default,
            ImageColumnName = imageColumnName,
            OutputColumnName = outputColumnName,
            ScoreColumnName = scoreColumnName,
            TopK = topK,
            ScoringBatchSize = batchSize,
        });

    /// <summary>Tells the class of pictures by the names of the classes, with CLIP as it is.</summary>
    /// <param name="options">All settings.</param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentException">A setting is missing or out of range.</exception>
    public ClipZeroShotClassifier ClipZeroShotClassifier(ClipZeroShotClassifier.Options options) => new(Host(nameof(ClipZeroShotClassifier)), Given(options));
}
