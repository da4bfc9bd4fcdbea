using Microsoft.ML.VisionLanguage;

namespace Microsoft.ML;

public sealed partial class VisionLanguageCatalog
{
    /// <summary>Looks for pictures by texts, for texts by pictures, or for either by its like: it is fitted on the gallery, and transforms queries.</summary>
    /// <param name="model">The folder of a CLIP: config.json, weights, tokenizer and preprocessor_config.json.</param>
    /// <param name="gallery">What is looked among.</param>
    /// <param name="query">What is looked for by.</param>
    /// <param name="idColumnName">The gallery's ids: text or a number, none twice.</param>
    /// <param name="imageColumnName">The pictures: bytes, paths of files, or images.</param>
    /// <param name="textColumnName">The texts; longer ones than the model reads are errors.</param>
    /// <param name="topK">How many of the nearest a query gets.</param>
    /// <param name="outputColumnName">The column of the nearest rows' ids.</param>
    /// <param name="scoreColumnName">The column of their cosines.</param>
    /// <param name="batchSize">Rows embedded at once.</param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentException">An argument is missing or out of range.</exception>
    public ClipRetriever ClipRetriever(
        string model, ClipModality gallery = ClipModality.Image, ClipModality query = ClipModality.Text, string idColumnName = "Id",
        string imageColumnName = "Image", string textColumnName = "Text", int topK = 10, string outputColumnName = "Ids", string scoreColumnName = "Scores",
        int batchSize = 32) =>
        ClipRetriever(new ClipRetriever.Options
        {
            BaseModel = model,
            Gallery = gallery,
            Query = query,
            IdColumnName = idColumnName,
            ImageColumnName = imageColumnName,
            TextColumnName = textColumnName,
            TopK = topK,
            OutputColumnName = outputColumnName,
            ScoreColumnName = scoreColumnName,
            ScoringBatchSize = batchSize,
        });

    /// <summary>Looks for pictures by texts, for texts by pictures, or for either by its like.</summary>
    /// <param name="options">All settings.</param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentException">A setting is missing or out of range.</exception>
    public ClipRetriever ClipRetriever(ClipRetriever.Options options) => new(Host(nameof(ClipRetriever)), Given(options));
}
