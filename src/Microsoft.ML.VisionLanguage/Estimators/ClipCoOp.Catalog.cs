using Microsoft.ML.Peft;
using Microsoft.ML.VisionLanguage;

namespace Microsoft.ML;

public sealed partial class VisionLanguageCatalog
{
    /// <summary>Learns the words around the classes' names, as vectors, and leaves CLIP as it is.</summary>
    /// <param name="model">The folder of a Hugging Face CLIP: config.json, weights, tokenizer and preprocessor_config.json.</param>
    /// <param name="imageColumnName">The pictures: bytes, paths of files, or images.</param>
    /// <param name="labelColumnName">The label, a key over the classes' names.</param>
    /// <param name="contextLength">Vectors of a prompt.</param>
    /// <param name="classPosition">Where the classes' names stand.</param>
    /// <param name="classSpecific">Whether each class has vectors of its own.</param>
    /// <param name="initialText">The text from whose words the vectors start, such as "a photo of a", as many as it has tokens; null (the default) to draw them.</param>
    /// <param name="maxEpochs">Times that every row is seen; null (the default) for 50.</param>
    /// <param name="batchSize">Rows in a batch; null (the default) for 32.</param>
    /// <param name="learningRate">The highest learning rate; null (the default) for 2e-3.</param>
    /// <param name="validationSet">Data to measure each epoch on; null (the default) for none.</param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentException">An argument is missing or out of range.</exception>
    public ClipCoOp ClipCoOp(
        string model, string imageColumnName = "Image", string labelColumnName = "Label", int contextLength = 16, ClassPosition classPosition = ClassPosition.End,
        bool classSpecific = false, string? initialText = null, int? maxEpochs = null, int? batchSize = null, double? learningRate = null,
        IDataView? validationSet = null) => ClipCoOp(new ClipCoOp.Options
        {
            BaseModel = model,
            Task = ClipTask.LearnedPrompts(imageColumnName, labelColumnName, contextLength, classPosition, classSpecific, initialText),
            Training = new TrainingOptions { MaxEpochs = maxEpochs, BatchSize = batchSize, LearningRate = learningRate },
            ValidationSet = validationSet,
        });

    /// <summary>Learns the words around the classes' names, as vectors, and leaves CLIP as it is.</summary>
    /// <param name="options">All settings.</param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentException">A setting is missing or out of range.</exception>
    public ClipCoOp ClipCoOp(ClipCoOp.Options options) => new(Host(nameof(ClipCoOp)), Given(options));
}
