using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.VisionLanguage;

namespace ClipClassify;

/// <summary>How the model is made.</summary>
internal partial class ClipModel
{
    private const string Key = "LabelKey";

    /// <summary>Makes the model of the classes' names. Of the pictures it reads none: their labels say which classes there are.</summary>
    public static ITransformer Train(MLContext ml, string clip, IReadOnlyList<string> templates, IDataView pictures) =>
        BuildPipeline(ml, clip, templates).Fit(pictures);

    /// <summary>The same for other pictures, whose classes may be others.</summary>
    public static ITransformer RetrainModel(MLContext ml, string clip, IDataView pictures) => Train(ml, clip, ClipTemplates.ImageNet, pictures);

    /// <summary>Label to key, the classifier over the keys' values, key to label.</summary>
    public static IEstimator<ITransformer> BuildPipeline(MLContext ml, string clip, IReadOnlyList<string> templates) =>
        ml.Transforms.Conversion.MapValueToKey(Key, nameof(ModelInput.Label))
            .Append(ml.VisionLanguage().ClipZeroShotClassifier(new ClipZeroShotClassifier.Options
            {
                BaseModel = clip, ImageColumnName = nameof(ModelInput.Image), LabelColumnName = Key, Templates = templates,
            }))
            .Append(ml.Transforms.Conversion.MapKeyToValue(ModelOutput.Answer, "PredictedLabel"));

    /// <summary>How often the right label is the first, or among the first few.</summary>
    public static MulticlassClassificationMetrics Evaluate(MLContext ml, ITransformer model, IDataView pictures, int topK) =>
        ml.MulticlassClassification.Evaluate(model.Transform(pictures), labelColumnName: Key, topKPredictionCount: topK);

    /// <summary>Saves a model, CLIP included, so that the file is all that a program needs.</summary>
    public static void Save(MLContext ml, ITransformer model, string path) => ml.Model.SaveAtomically(model, Rows(ml, []).Schema, path);

    /// <summary>Pictures as ML.NET reads them: the bytes of their files, read when they are asked for.</summary>
    public static IDataView Rows(MLContext ml, IEnumerable<(string Path, string Label)> pictures) =>
        ml.Data.LoadFromEnumerable(pictures.Select(picture => new ModelInput { Image = File.ReadAllBytes(picture.Path), Label = picture.Label }));
}
