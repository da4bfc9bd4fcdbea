using Microsoft.ML;
using Microsoft.ML.Peft;
using Samples;

namespace QuickStart;

/// <summary>How the model is made.</summary>
internal partial class TextModel
{
    private const string Key = "LabelKey";

    // The documentation's sentences have some 20 tokens; what is longer costs time and adds little.
    private const int MaxLength = 64;

    /// <summary>Trains by a method.</summary>
    public static ITransformer Train(MLContext ml, Method method, string baseModel, DataSplit data, IProgress<TrainingProgress>? progress = null)
    {
        IDataView train = Rows(ml, data.Train);
        return BuildPipeline(ml, method, baseModel, train, Rows(ml, data.Validation), progress).Fit(train);
    }

    /// <summary>Saves a model, base included, so that the file is all that a program needs.</summary>
    public static void Save(MLContext ml, ITransformer model, string path) => ml.Model.SaveAtomically(model, Rows(ml, []).Schema, path);

    /// <summary>Fits the pipeline again, on other data.</summary>
    public static ITransformer RetrainModel(MLContext ml, string baseModel, IDataView train, IDataView validation) =>
        BuildPipeline(ml, Method.Lora, baseModel, train, validation).Fit(train);

    /// <summary>Label to key, the method, key to label.</summary>
    public static IEstimator<ITransformer> BuildPipeline(
        MLContext ml, Method method, string baseModel, IDataView train, IDataView validation, IProgress<TrainingProgress>? progress = null)
    {
        var keys = ml.Transforms.Conversion.MapValueToKey(Key, nameof(ModelInput.Label));
        // The validation rows need the training rows' keys.
        IDataView keyed = keys.Fit(train).Transform(validation);
        return keys.Append(Estimator(ml, method, baseModel, keyed, progress))
            .Append(ml.Transforms.Conversion.MapKeyToValue(nameof(ModelOutput.PredictedLabel)));
    }

    /// <summary>The rows as ML.NET reads them.</summary>
    public static IDataView Rows(MLContext ml, IEnumerable<LabelledText> rows) =>
        ml.Data.LoadFromEnumerable(rows.Select(row => new ModelInput { Text = row.Text, Label = row.Label }));

    private static IEstimator<PeftTransformer> Estimator(
        MLContext ml, Method method, string baseModel, IDataView validation, IProgress<TrainingProgress>? progress) => method switch
        {
            Method.LinearProbe => ml.Peft().LinearProbe(Common<LinearProbe.Options>(baseModel, validation, 20, 1e-2, progress)),
            Method.FullFineTune => ml.Peft().FullFineTune(Common<FullFineTune.Options>(baseModel, validation, 1, 2e-4, progress)),
            _ => ml.Peft().Lora(Lora(Common<LoraFineTune.Options>(baseModel, validation, 3, 2e-3, progress))),
        };

    private static LoraFineTune.Options Lora(LoraFineTune.Options options)
    {
        options.Lora = new LoraOptions { Rank = 8, Alpha = 16, TargetModules = [LoraOptions.AllLinear] };
        return options;
    }

    private static T Common<T>(string baseModel, IDataView validation, int epochs, double learningRate, IProgress<TrainingProgress>? progress)
        where T : FineTuneOptions, new() => new()
        {
            BaseModel = baseModel,
            Task = PeftTask.TextClassification(nameof(ModelInput.Text), labelColumnName: Key),
            ValidationSet = validation,
            MaxLength = MaxLength,
            Training = new TrainingOptions { MaxEpochs = epochs, LearningRate = learningRate, Progress = progress },
        };
}

/// <summary>What is compared.</summary>
internal enum Method { LinearProbe, Lora, FullFineTune }
