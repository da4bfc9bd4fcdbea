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
    public static PeftTransformer Train(
        MLContext ml, string baseModel, bool quantizes, DataSplit data, IProgress<TrainingProgress>? progress = null) =>
        BuildPipeline(ml, baseModel, quantizes, Rows(ml, data.Validation), progress).Fit(Rows(ml, data.Train));

    /// <summary>What that takes, before it is done.</summary>
    public static TrainingEstimate Estimate(MLContext ml, string baseModel, bool quantizes, DataSplit data) =>
        BuildPipeline(ml, baseModel, quantizes, Rows(ml, data.Validation)).Estimate(Rows(ml, data.Train));

    /// <summary>Fits the pipeline again, on other data.</summary>
    public static PeftTransformer RetrainModel(MLContext ml, string baseModel, bool quantizes, IDataView train, IDataView validation) =>
        BuildPipeline(ml, baseModel, quantizes, validation).Fit(train);

    /// <summary>LoRA over chats as the model's own template writes them.</summary>
    public static LoraFineTune BuildPipeline(
        MLContext ml, string baseModel, bool quantizes, IDataView validation, IProgress<TrainingProgress>? progress = null)
    {
        var options = new LoraFineTune.Options
        {
            BaseModel = baseModel,
            Task = Task(),
            ValidationSet = validation,
            MaxLength = MaxLength,
            EmbedBase = false,
            Lora = new LoraOptions { Rank = 8, Alpha = 16, TargetModules = ["q_proj", "v_proj"] },
            Training = new TrainingOptions { MaxEpochs = 1, BatchSize = 8, LearningRate = 1e-3, WeightDecay = 0, Progress = progress },
        };
        if (quantizes)
            Quantize(options);
        return ml.Peft().Lora(options);
    }

    /// <summary>Saves what was learnt; the base stays where it is, so the file is small.</summary>
    public static void Save(MLContext ml, PeftTransformer model, string path) => ml.Model.SaveAtomically(model, Rows(ml, []).Schema, path);

    /// <summary>The rows as ML.NET reads them: the user says the first message, the assistant the second.</summary>
    public static IDataView Rows(MLContext ml, IEnumerable<LabelledText> rows) =>
        ml.Data.LoadFromEnumerable(rows.Select(row => new ModelInput { Messages = [row.Text, row.Label] }));

    // QLoRA; what the paper does besides is in the catalog's Qlora.
    private static void Quantize(LoraFineTune.Options options)
    {
        options.Quantization = new QuantizationOptions { DoubleQuantization = true };
        options.Lora.TargetModules = [LoraOptions.AllLinear];
        options.Training.GradientCheckpointing = true;
        options.Training.Optimizer = TrainingOptimizer.PagedAdamW32Bit;
    }

    private static PeftTask Task() => PeftTask.Chat(generation: new GenerationOptions { MaxNewTokens = LongestAnswer, DoSample = false });
}
