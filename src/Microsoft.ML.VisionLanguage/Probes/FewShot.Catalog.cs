using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.VisionLanguage;
using Microsoft.ML.VisionLanguage.Probes;

namespace Microsoft.ML;

public sealed partial class VisionLanguageCatalog
{
    private const string FewShotFeatures = "Few-shot features";

    /// <summary>
    /// Measures how good a linear probe over CLIP's vectors is after few rows a class: a probe for each number of shots and each seed. Every
    /// picture goes through the model once.
    /// </summary>
    /// <param name="trainSet">Rows to draw from.</param>
    /// <param name="testSet">Rows to measure by.</param>
    /// <param name="model">The folder of a Hugging Face CLIP: config.json, weights and preprocessor_config.json.</param>
    /// <param name="imageColumnName">The pictures: bytes, paths of files, or images.</param>
    /// <param name="labelColumnName">The label, a key.</param>
    /// <param name="options">Shots, seeds, C; null (the default) for the papers'.</param>
    /// <returns>The probes' accuracies.</returns>
    /// <exception cref="ArgumentException">An argument is missing or out of range, or a column is missing.</exception>
    /// <exception cref="InvalidOperationException">A data set has no row with a label.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public FewShotCurve ClipFewShot(
        IDataView trainSet, IDataView testSet, string model, string imageColumnName = "Image", string labelColumnName = "Label", FewShotOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(trainSet);
        ITransformer embedder = ClipImageEmbedder(model, imageColumnName, FewShotFeatures, normalize: false).Fit(trainSet);
        using var held = (IDisposable)embedder;
        return FewShot(embedder.Transform, trainSet, testSet, FewShotFeatures, labelColumnName, options);
    }

    /// <summary>
    /// Measures how good a linear probe over any vectors is after few rows a class, such as those of ML.NET's <c>DnnFeaturizeImage</c>: a
    /// probe for each number of shots and each seed.
    /// </summary>
    /// <param name="trainSet">Rows to draw from.</param>
    /// <param name="testSet">Rows to measure by.</param>
    /// <param name="featureColumnName">Vectors of Single, all of one length.</param>
    /// <param name="labelColumnName">The label, a key.</param>
    /// <param name="options">Shots, seeds, C; null (the default) for the papers'.</param>
    /// <returns>The probes' accuracies.</returns>
    /// <exception cref="ArgumentException">An argument is missing or out of range, or a column is missing.</exception>
    /// <exception cref="InvalidOperationException">A data set has no row with a label.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public FewShotCurve FewShot(
        IDataView trainSet, IDataView testSet, string featureColumnName = "Features", string labelColumnName = "Label", FewShotOptions? options = null) =>
        FewShot(data => data, trainSet, testSet, featureColumnName, labelColumnName, options);

    private FewShotCurve FewShot(
        Func<IDataView, IDataView> featurize, IDataView trainSet, IDataView testSet, string featureColumnName, string labelColumnName, FewShotOptions? options)
    {
        ArgumentNullException.ThrowIfNull(trainSet);
        ArgumentNullException.ThrowIfNull(testSet);
        options ??= new FewShotOptions();
        options.Validate();
        PeftHost host = Host(nameof(FewShot));
        var reader = new FeatureRows(host, featureColumnName, labelColumnName, options.CancellationToken);
        LabelSet labels = reader.LabelsOf(trainSet);
        using LabelledFeatures train = reader.Read(featurize(trainSet), labels, "training"), test = reader.Read(featurize(testSet), labels, "test");
        using LabelledFeatures? validation = options.ValidationSet is { } set ? reader.Read(featurize(set), labels, "validation") : null;
        return new FewShotCurve(Context, new FewShotRun(host, options).Run(train, validation, test, labels.Names));
    }
}
