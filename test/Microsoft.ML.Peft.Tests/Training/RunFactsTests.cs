using System.Reflection;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft.Tests.Training;

/// <summary>Every option there is either can change what a run learns, and then a run does not resume under another value, or it cannot.</summary>
[TestClass]
public sealed class RunFactsTests
{
    /// <summary>What a run learns depends on it.</summary>
    private static readonly string[] Learnt =
    [
        "TrainingOptions.BatchSize", "TrainingOptions.MiniBatchSize", "TrainingOptions.MaxEpochs", "TrainingOptions.MaxSteps", "TrainingOptions.LearningRate",
        "TrainingOptions.Beta1", "TrainingOptions.Beta2", "TrainingOptions.Epsilon", "TrainingOptions.WeightDecay",
        "TrainingOptions.DecayBiasesAndNorms", "TrainingOptions.Schedule", "TrainingOptions.WarmupRatio", "TrainingOptions.WarmupSteps",
        "TrainingOptions.MaxGradientNorm", "TrainingOptions.GradientAccumulationSteps", "TrainingOptions.GroupByLength",
        "TrainingOptions.EarlyStoppingPatience", "TrainingOptions.EarlyStoppingMetric", "TrainingOptions.KeepBest", "TrainingOptions.EvaluateEvery",
        "LoraOptions.Rank", "LoraOptions.Alpha", "LoraOptions.Dropout", "LoraOptions.UseRankStabilizedScaling", "LoraOptions.UseDora",
        "LoraOptions.Start", "LoraOptions.LoftqIterations", "LoraOptions.PissaIterations", "LoraOptions.LoraPlusRatio", "LoraOptions.Bias",
        "LoraOptions.TargetModules", "LoraOptions.TargetPattern", "LoraOptions.ExcludeModules", "LoraOptions.ExcludePattern",
        "LoraOptions.RankPattern", "LoraOptions.AlphaPattern", "LoraOptions.LayersToTransform", "LoraOptions.LayersPattern",
        "LoraOptions.ModulesToSave", "LoraOptions.TrainableTokens", "LoraOptions.TrainableTokensByModule", "LoraOptions.AddedTokens",
        "VirtualTokenOptions.VirtualTokens", "VirtualTokenOptions.ModulesToSave", "InputVectorOptions.Start", "InputVectorOptions.StartText", "InputVectorOptions.ReadsClassToken",
        "PrefixOptions.PrefixProjection", "PrefixOptions.EncoderHiddenSize", "PrefixOptions.Start",
        "PrefixOptions.StartText", "PrefixOptions.Parts", "PrefixOptions.Dropout",
        "PTuningOptions.Encoder", "PTuningOptions.EncoderHiddenSize", "PTuningOptions.EncoderNumLayers", "PTuningOptions.EncoderDropout", "LayerNormOptions.TargetModules", "LayerNormOptions.ModulesToSave",
        "Ia3Options.TargetModules", "Ia3Options.FeedForwardModules", "Ia3Options.ModulesToSave", "BottleneckOptions.ReductionFactor",
        "BottleneckOptions.Activation", "BottleneckOptions.AfterAttention", "BottleneckOptions.AfterFeedForward", "BottleneckOptions.IsParallel",
        "BottleneckOptions.ReadsNormedSum", "BottleneckOptions.LeaveOut", "BottleneckOptions.Scaling",
        "QuantizationOptions.Format", "QuantizationOptions.BlockSize", "QuantizationOptions.DoubleQuantization",
        "QuantizationOptions.OutlierThreshold", "QuantizationOptions.QuantizeActivations", "QuantizationOptions.VocabularyFormat",
        "WholeModelOptions.StartFromScratch", "BlankInfillingTask.TokenShare", "BlankInfillingTask.SentenceShare", "BlankInfillingTask.DocumentShare", "BlankInfillingTask.PackTexts", "FineTuneOptions.NewHead", "MaskedLanguageModelTask.MaskProbability",
        "ClozeClassificationTask.Pattern", "ClozeClassificationTask.Verbalizers", "ClozeClassificationTask.Scoring", "FactualProbingTask.Pattern", "FactualProbingTask.Candidates",
        "QuestionAnswerTask.Stride", "QuestionAnswerTask.AllowNoAnswer", "QuestionAnswerTask.MaxAnswerLength", "QuestionAnswerTask.NoAnswerThreshold",
    ];

    /// <summary>Nothing that is learnt depends on it.</summary>
    private static readonly string[] NotLearnt =
    [
        "TrainingOptions.GradientCheckpointing", "TrainingOptions.CheckpointFolder", "TrainingOptions.CheckpointEverySteps",
        "TrainingOptions.Resume", "TrainingOptions.Progress", "TrainingOptions.CancellationToken", "TrainingOptions.ReturnBestWhenCancelled",
        "ModelOptions.ScoringBatchSize", "ModelOptions.EmbedBase", "ModelOptions.GpuDeviceId", "ModelOptions.FallbackToCpu",
        "QuantizationOptions.RequantizeMerged", "FineTuneOptions.AllowOtherBase", "BottleneckOptions.Name",
        "GenerationTask.OutputColumnName", "FillBlanksTask.PiecesColumnName", "FillBlanksTask.OffsetsColumnName", "GenerationTask.Generation", "GenerationTask.FolderGeneration",
        "TextEmbeddingTask.InputColumnName", "TextEmbeddingTask.OutputColumnName", "TextEmbeddingTask.Pooling", "TextEmbeddingTask.Normalize",
        "SequenceClassificationTask.OutputColumnName", "SequenceClassificationTask.ScoreColumnName", "BinaryTextClassificationTask.ProbabilityColumnName",
        "TokenClassificationTask.OutputColumnName",
        "TokenClassificationTask.ScoreColumnName", "TokenClassificationTask.SpansColumnName", "MaskedLanguageModelTask.OutputColumnName",
        "CausalLanguageModelTask.OutputColumnName", "BlankInfillingTask.OutputColumnName", "ClozeClassificationTask.OutputColumnName", "ClozeClassificationTask.ScoreColumnName",
        "FactualProbingTask.AnswerCount", "FactualProbingTask.SkipLongAnswers", "FactualProbingTask.OutputColumnName", "FactualProbingTask.ScoreColumnName",
        "QuestionAnswerTask.PredictedAnswerColumnName", "QuestionAnswerTask.ScoreColumnName",
        "QuestionAnswerTask.PredictedIndexColumnName", "QuestionAnswerTask.TopK",
    ];

    /// <summary>Told by what comes of it: the hash of the rows, of the base or of the adapter, the form of the moments, the options within.</summary>
    private static readonly string[] ToldElsewhere =
    [
        "TrainingOptions.Optimizer", "ModelOptions.BaseModel", "ModelOptions.TokenizerFolder", "ModelOptions.MaxLength", "ModelOptions.Quantization", "FineTuneOptions.AdapterFolder",
        "FineTuneOptions.Task", "FineTuneOptions.Training", "FineTuneOptions.ValidationSet", "Options.Lora", "Options.Prompt", "Options.Prefix",
        "SequenceClassificationTask.Sentence1ColumnName", "SequenceClassificationTask.Sentence2ColumnName", "SequenceClassificationTask.LabelColumnName",
        "TokenClassificationTask.Sentence1ColumnName", "TokenClassificationTask.LabelColumnName", "MaskedLanguageModelTask.TextColumnName",
        "CausalLanguageModelTask.TextColumnName", "BlankInfillingTask.TextColumnName", "TextGenerationTask.PromptColumnName", "TextGenerationTask.CompletionColumnName",
        "ChatTask.MessagesColumnName", "ClozeClassificationTask.LabelColumnName", "FactualProbingTask.AnswerColumnName",
        "SeveralTasks.TaskColumnName", "SeveralTasks.Tasks",
        "FillBlanksTask.TextColumnName", "FillBlanksTask.AnswersColumnName", "QuestionAnswerTask.ContextColumnName", "QuestionAnswerTask.QuestionColumnName",
        "QuestionAnswerTask.TrainingAnswerColumnName", "QuestionAnswerTask.AnswerIndexColumnName",
    ];

    public static IEnumerable<object[]> Options => Properties.Select(option => new object[] { NameOf(option) });

    private static PropertyInfo[] Properties =>
    [
        .. typeof(PeftCatalog).Assembly.GetTypes()
            .Where(type => !type.IsAbstract && (type == typeof(TrainingOptions) || type == typeof(QuantizationOptions)
                || type.IsSubclassOf(typeof(FineTuneOptions)) || type.IsSubclassOf(typeof(TunerOptions)) || type.IsSubclassOf(typeof(PeftTask))))
            .SelectMany(type => type.GetProperties()).DistinctBy(NameOf),
    ];

    [TestMethod]
    [DynamicData(nameof(Options))]
    public void Every_option_is_of_one_class(string name) =>
        Assert.AreEqual(1, new[] { Learnt, NotLearnt, ToldElsewhere }.Count(names => names.Contains(name)), $"{name} is to be put into one of the lists");

    [TestMethod]
    [DynamicData(nameof(Options))]
    public void What_is_learnt_is_a_fact_of_the_run_and_nothing_else(string name)
    {
        PropertyInfo option = Properties.Single(p => NameOf(p) == name);
        object before = Create(option.ReflectedType!), after = Create(option.ReflectedType!);
        object? value = Other(option.PropertyType, option.GetValue(before));
        option.SetValue(after, value);
        string first = Facts(before), second = Facts(after);
        if (Learnt.Contains(name))
            StringAssert.StartsWith(RunFacts.Differences(first, second), $"{name} was ");
        else
            Assert.AreEqual(first, second);
    }

    [TestMethod]
    public void A_value_that_is_the_methods_own_is_the_same_as_none() =>
        Assert.AreEqual(Facts(new TrainingOptions()), Facts(new TrainingOptions { LearningRate = 1e-4, BatchSize = 32 }));

    [TestMethod]
    public void A_metric_in_other_letters_is_the_same() => Assert.AreEqual(
        Facts(new TrainingOptions { EarlyStoppingMetric = "Accuracy" }), Facts(new TrainingOptions { EarlyStoppingMetric = "accuracy" }));

    [TestMethod]
    public void The_state_of_an_older_version_is_none_of_ours() =>
        StringAssert.Contains(RunFacts.Differences("ABCDEF0123", Facts(new TrainingOptions())), "version");

    private static string NameOf(PropertyInfo option) => $"{option.DeclaringType!.Name}.{option.Name}";

    private static string Facts(object options) =>
        new RunFacts().WithOptions(options, options is TrainingOptions training ? TinyRun.Settings(training) : null).ToJson();

    private static object Create(Type type) => Activator.CreateInstance(type, nonPublic: true)!;

    private static object? Other(Type type, object? value) => (Nullable.GetUnderlyingType(type) ?? type) switch
    {
        { } t when t == typeof(int) => Convert.ToInt32(value ?? 0, null) + 7,
        { } t when t == typeof(double) => Convert.ToDouble(value ?? 0.0, null) + 0.125,
        { } t when t == typeof(bool) => value is not true,
        { } t when t == typeof(string) => "other",
        { IsEnum: true } t => Enum.GetValues(t).Cast<object>().Last(one => !one.Equals(value)),
        { } t when t == typeof(CancellationToken) => new CancellationToken(true),
        { } t when t == typeof(IProgress<TrainingProgress>) => new TinyRun.Callback(_ => { }),
        { } t when t == typeof(IReadOnlyList<string>) => new[] { "other" },
        { } t when t == typeof(IReadOnlyList<int>) => new[] { 1 },
        { } t when t == typeof(IReadOnlyDictionary<string, string>) => new Dictionary<string, string> { ["q"] = "other" },
        { } t when t == typeof(IReadOnlyDictionary<string, int>) => new Dictionary<string, int> { ["q"] = 1 },
        { } t when t == typeof(IReadOnlyDictionary<string, double>) => new Dictionary<string, double> { ["q"] = 1 },
        { } t when t == typeof(IReadOnlyDictionary<string, IReadOnlyList<int>>) => new Dictionary<string, IReadOnlyList<int>> { ["q"] = [1] },
        { } t when t == typeof(PeftTask) => PeftTask.TextClassification("other"),
        { } t when t == typeof(IReadOnlyDictionary<string, PeftTask>) => new Dictionary<string, PeftTask> { ["other"] = PeftTask.TextClassification() },
        { } t when t == typeof(GenerationOptions) => new GenerationOptions { MaxNewTokens = 3 },
        { } t when t == typeof(IDataView) => null,
        { IsClass: true } t => Activator.CreateInstance(t),
        { } t => throw new NotSupportedException($"How does one change a {t}?"),
    };
}
