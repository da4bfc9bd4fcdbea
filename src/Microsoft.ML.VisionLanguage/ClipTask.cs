using Microsoft.ML.Peft;
using Microsoft.ML.VisionLanguage.Tasks;

namespace Microsoft.ML.VisionLanguage;

/// <summary>What CLIP is to learn: the columns that it reads and writes.</summary>
public static class ClipTask
{
    /// <summary>Pairs of a picture and a text that belong together, each told from the others of its batch.</summary>
    /// <param name="imageColumnName">The pictures: bytes, paths of files, or images.</param>
    /// <param name="textColumnName">The texts.</param>
    /// <param name="imageEmbeddingColumnName">The pictures' vectors, of length 1.</param>
    /// <param name="textEmbeddingColumnName">The texts' vectors, of length 1.</param>
    /// <param name="scoreColumnName">The cosine of the two.</param>
    /// <param name="maskSameTexts">Whether rows of a batch with the same text are no negatives of each other; true by default.</param>
    /// <returns>The task.</returns>
    public static PeftTask Pairs(
        string imageColumnName = "Image", string textColumnName = "Text", string imageEmbeddingColumnName = "ImageEmbedding",
        string textEmbeddingColumnName = "TextEmbedding", string scoreColumnName = "Score", bool maskSameTexts = true) => new ContrastiveTask
        {
            ImageColumnName = imageColumnName,
            TextColumnName = textColumnName,
            ImageEmbeddingColumnName = imageEmbeddingColumnName,
            TextEmbeddingColumnName = textEmbeddingColumnName,
            ScoreColumnName = scoreColumnName,
            MaskSameTexts = maskSameTexts,
        };
}
