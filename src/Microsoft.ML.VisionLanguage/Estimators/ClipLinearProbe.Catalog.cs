using Microsoft.ML.VisionLanguage;

namespace Microsoft.ML;

public sealed partial class VisionLanguageCatalog
{
    /// <summary>Classifies pictures by logistic regression over CLIP's vectors.</summary>
    /// <param name="model">The folder of a Hugging Face CLIP: config.json, weights and preprocessor_config.json.</param>
    /// <param name="imageColumnName">The pictures: bytes, paths of files, or images.</param>
    /// <param name="labelColumnName">The label, a key.</param>
    /// <param name="c">How much a row counts against the penalty on the weights; null (the default) to choose it by validation rows.</param>
    /// <param name="validationSet">Rows to choose it by; null (the default) to hold out some of the training rows.</param>
    /// <param name="outputColumnName">The predicted label, a key over the same values.</param>
    /// <param name="scoreColumnName">The probabilities of all classes.</param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentException">An argument is missing or out of range.</exception>
    public ClipLinearProbe ClipLinearProbe(
        string model, string imageColumnName = "Image", string labelColumnName = "Label", double? c = null, IDataView? validationSet = null,
        string outputColumnName = "PredictedLabel", string scoreColumnName = "Score") => ClipLinearProbe(new ClipLinearProbe.Options
        {
            BaseModel = model,
            ImageColumnName = imageColumnName,
            LabelColumnName = labelColumnName,
            C = c,
            ValidationSet = validationSet,
            OutputColumnName = outputColumnName,
            ScoreColumnName = scoreColumnName,
        });

    /// <summary>Classifies pictures by logistic regression over CLIP's vectors.</summary>
    /// <param name="options">All settings.</param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentException">A setting is missing or out of range.</exception>
    public ClipLinearProbe ClipLinearProbe(ClipLinearProbe.Options options) => new(Host(nameof(ClipLinearProbe)), Given(options));
}
