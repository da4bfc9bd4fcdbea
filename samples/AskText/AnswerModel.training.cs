using Microsoft.ML;
using Microsoft.ML.Peft;

namespace AskText;

/// <summary>How the model is made.</summary>
internal partial class AnswerModel
{
    // Longer texts are read in windows that share a third.
    private const int MaxLength = 384, Stride = 128;

    /// <summary>Trains on questions with their answers.</summary>
    public static PeftTransformer Train(MLContext ml, string baseModel, IDataView questions, int epochs, IProgress<TrainingProgress>? progress = null) =>
        BuildPipeline(ml, baseModel, epochs, progress).Fit(questions);

    /// <summary>What that takes, before it is done.</summary>
    public static TrainingEstimate Estimate(MLContext ml, string baseModel, IDataView questions, int epochs) =>
        BuildPipeline(ml, baseModel, epochs).Estimate(questions);

    /// <summary>Fits the pipeline again, on other data.</summary>
    public static PeftTransformer RetrainModel(MLContext ml, string baseModel, IDataView questions, int epochs) =>
        BuildPipeline(ml, baseModel, epochs).Fit(questions);

    /// <summary>LoRA on all linear layers, under a head of starts and ends.</summary>
    public static LoraFineTune BuildPipeline(MLContext ml, string baseModel, int epochs, IProgress<TrainingProgress>? progress = null) =>
        ml.Peft().Lora(new LoraFineTune.Options
        {
            BaseModel = baseModel,
            Task = PeftTask.QuestionAnswer(stride: Stride),
            MaxLength = MaxLength,
            Lora = new LoraOptions { Rank = 16, Alpha = 32, TargetModules = [LoraOptions.AllLinear] },
            Training = new TrainingOptions { MaxEpochs = epochs, BatchSize = 16, LearningRate = 2e-3, Progress = progress },
        });

    /// <summary>Saves it whole or not at all; the base goes along, so that the file stands alone.</summary>
    public static void Save(MLContext ml, PeftTransformer model, IDataView questions, string path) => ml.Model.SaveAtomically(model, questions.Schema, path);

    /// <summary>Exact match and F1, as SQuAD's evaluation has them.</summary>
    public static SquadScore Evaluate(MLContext ml, ITransformer model, IDataView questions) => ml.Peft().EvaluateAnswers(model.Transform(questions));
}
