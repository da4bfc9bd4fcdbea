using Microsoft.ML;
using Microsoft.ML.Peft;
using Samples;

namespace ChatTuning;

/// <summary>How the model is made.</summary>
internal partial class ChatModel
{
    // A CPU's time goes with the tokens; what is longer is cut.
    private const int MaxLength = 256;

    /// <summary>Trains on prompts (the rows' texts) and completions (their labels).</summary>
    public static PeftTransformer Train(MLContext ml, string baseModel, DataSplit data, IProgress<TrainingProgress>? progress = null) =>
        BuildPipeline(ml, baseModel, Rows(ml, data.Validation), progress).Fit(Rows(ml, data.Train));

    /// <summary>Fits the pipeline again, on other data.</summary>
    public static PeftTransformer RetrainModel(MLContext ml, string baseModel, IDataView train, IDataView validation) =>
        BuildPipeline(ml, baseModel, validation).Fit(train);

    /// <summary>LoRA on the attention's queries and values, over chats as the model's own template writes them.</summary>
    public static IEstimator<PeftTransformer> BuildPipeline(
        MLContext ml, string baseModel, IDataView validation, IProgress<TrainingProgress>? progress = null) => ml.Peft().Lora(new LoraFineTune.Options
        {
            BaseModel = baseModel,
            Task = Task(),
            ValidationSet = validation,
            MaxLength = MaxLength,
            EmbedBase = false,
            Lora = new LoraOptions { Rank = 8, Alpha = 16, TargetModules = ["q_proj", "v_proj"] },
            Training = new TrainingOptions { MaxEpochs = 1, BatchSize = 8, LearningRate = 1e-3, WeightDecay = 0, Progress = progress },
        });

    /// <summary>Saves what was learnt; the base stays where it is, so the file is small.</summary>
    public static void Save(MLContext ml, PeftTransformer model, string path) => ml.Model.SaveAtomically(model, Rows(ml, []).Schema, path);

    /// <summary>The rows as ML.NET reads them: the user says the first message, the assistant the second.</summary>
    public static IDataView Rows(MLContext ml, IEnumerable<LabelledText> rows) =>
        ml.Data.LoadFromEnumerable(rows.Select(row => new ModelInput { Messages = [row.Text, row.Label] }));

    private static PeftTask Task() => PeftTask.Chat(generation: new GenerationOptions { MaxNewTokens = LongestAnswer, DoSample = false });
}
