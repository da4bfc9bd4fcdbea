using Microsoft.ML.VisionLanguage;

namespace Microsoft.ML;

public sealed partial class VisionLanguageCatalog
{
    /// <summary>Says how well a text fits a picture, row by row, with CLIP as it is.</summary>
    /// <param name="model">The folder of a CLIP: config.json, weights, tokenizer and preprocessor_config.json.</param>
    /// <param name="imageColumnName">The pictures: bytes, paths of files, or images.</param>
    /// <param name="textColumnName">The texts; longer ones than the model reads are errors.</param>
    /// <param name="scoreColumnName">The column of scores.</param>
    /// <param name="similarity">What a score is.</param>
    /// <param name="batchSize">Rows scored at once.</param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentException">An argument is missing or out of range.</exception>
    public ClipImageTextScorer ClipImageTextScorer(
        string model, string imageColumnName = "Image", string textColumnName = "Text", string scoreColumnName = "Score",
        ClipSimilarity similarity = ClipSimilarity.Cosine, int batchSize = 32) =>
        ClipImageTextScorer(new ClipImageTextScorer.Options
        {
            BaseModel = model, ImageColumnName = imageColumnName, TextColumnName = textColumnName, ScoreColumnName = scoreColumnName, Similarity = similarity, ScoringBatchSize = batchSize,
        });

    /// <summary>Says how well a text fits a picture, row by row, with CLIP as it is.</summary>
    /// <param name="options">All settings.</param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentException">A setting is missing or out of range.</exception>
    public ClipImageTextScorer ClipImageTextScorer(ClipImageTextScorer.Options options) => new(Host(nameof(ClipImageTextScorer)), Given(options));
}
