using Microsoft.ML.VisionLanguage;

namespace Microsoft.ML;

public sealed partial class VisionLanguageCatalog
{
    /// <summary>Turns texts into vectors with CLIP as it is, in the space of its pictures.</summary>
    /// <param name="model">The folder of a CLIP: config.json, weights and tokenizer.</param>
    /// <param name="textColumnName">The texts; longer ones than the model reads are errors.</param>
    /// <param name="outputColumnName">The column of vectors.</param>
    /// <param name="normalize">Whether vectors get length 1.</param>
    /// <param name="batchSize">Texts scored at once.</param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentException">An argument is missing or out of range.</exception>
    public ClipTextEmbedder ClipTextEmbedder(
        string model, string textColumnName = "Text", string outputColumnName = "Embedding", bool normalize = true, int batchSize = 32) =>
        ClipTextEmbedder(new ClipTextEmbedder.Options
        {
            BaseModel = model, TextColumnName = textColumnName, OutputColumnName = outputColumnName, Normalize = normalize, ScoringBatchSize = batchSize,
        });

    /// <summary>Turns texts into vectors with CLIP as it is, in the space of its pictures.</summary>
    /// <param name="options">All settings.</param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentException">A setting is missing or out of range.</exception>
    public ClipTextEmbedder ClipTextEmbedder(ClipTextEmbedder.Options options) => new(Host(nameof(ClipTextEmbedder)), Given(options));
}
