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
    /// <param name="pictures">What pictures are allowed, and how they are read; null (the default) for the defaults.</param>
    /// <returns>The task.</returns>
    public static PeftTask Pairs(
        string imageColumnName = "Image", string textColumnName = "Text", string imageEmbeddingColumnName = "ImageEmbedding",
        string textEmbeddingColumnName = "TextEmbedding", string scoreColumnName = "Score", bool maskSameTexts = true, PictureOptions? pictures = null) => new ContrastiveTask
        {
            ImageColumnName = imageColumnName,
            TextColumnName = textColumnName,
            ImageEmbeddingColumnName = imageEmbeddingColumnName,
            TextEmbeddingColumnName = textEmbeddingColumnName,
            ScoreColumnName = scoreColumnName,
            MaskSameTexts = maskSameTexts,
            Pictures = pictures ?? new(),
        };

    /// <summary>Classes of pictures, told by texts whose context is learned.</summary>
    /// <param name="imageColumnName">The pictures: bytes, paths of files, or images.</param>
    /// <param name="labelColumnName">The label, a key over the classes' names.</param>
    /// <param name="contextLength">Vectors of a prompt.</param>
    /// <param name="classPosition">Where the classes' names stand.</param>
    /// <param name="classSpecific">Whether each class has vectors of its own.</param>
    /// <param name="initialText">The text from whose words the vectors start, as many as it has tokens; null (the default) to draw them, with the standard deviation that the model's configuration has for new weights.</param>
    /// <param name="outputColumnName">The predicted label, a key over the same values.</param>
    /// <param name="scoreColumnName">The probabilities of all classes.</param>
    /// <param name="pictures">What pictures are allowed, and how they are read; null (the default) for the defaults.</param>
    /// <returns>The task.</returns>
    /// <exception cref="ArgumentException">A number is out of range, or the text is empty.</exception>
    public static PeftTask LearnedPrompts(
        string imageColumnName = "Image", string labelColumnName = "Label", int contextLength = 16, ClassPosition classPosition = ClassPosition.End,
        bool classSpecific = false, string? initialText = null, string outputColumnName = "PredictedLabel", string scoreColumnName = "Score", PictureOptions? pictures = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(contextLength, 1);
        if (!Enum.IsDefined(classPosition))
            throw new ArgumentOutOfRangeException(nameof(classPosition), classPosition, $"{nameof(classPosition)} is not one of the positions.");
        if (initialText is not null)
            ArgumentException.ThrowIfNullOrWhiteSpace(initialText);
        return new LearnedPromptsTask
        {
            ImageColumnName = imageColumnName,
            LabelColumnName = labelColumnName,
            OutputColumnName = outputColumnName,
            ScoreColumnName = scoreColumnName,
            ContextLength = contextLength,
            ClassPosition = classPosition,
            ClassSpecific = classSpecific,
            InitialText = initialText,
            Pictures = pictures ?? new(),
        };
    }
}
