using System.Diagnostics;
using Microsoft.ML;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.TestSupport;

namespace RealModels.Tests.EndToEnd;

/// <summary>
/// Questions over paragraphs of Wikipedia (xquad-en) on all-MiniLM-L6-v2: exact match and F1 of each method on the test part, by three seeds. One run makes the
/// table; <c>PEFT_SEEDS</c> (such as <c>1</c>) asks for other seeds.
/// </summary>
[TestClass]
public sealed class QuestionAnsweringTests
{
    private const int MaxLength = 384, BatchSize = 16;

    private static readonly string Model = Path.Combine(SharedData.Models, "all-minilm-l6-v2");

    private static readonly (string Name, Func<PeftCatalog, FineTuneEstimator> Create)[] s_methods =
    [
        ("full", peft => peft.FullFineTune(new FullFineTune.Options { BaseModel = Model, Task = PeftTask.QuestionAnswer(), MaxLength = MaxLength, Training = Training(2e-4, 6) })),
        ("LoRA", peft => peft.Lora(new LoraFineTune.Options
        {
            BaseModel = Model, Task = PeftTask.QuestionAnswer(), MaxLength = MaxLength, Training = Training(2e-3, 6),
            Lora = new LoraOptions { Rank = 8, Alpha = 16, TargetModules = [LoraOptions.AllLinear] },
        })),
        ("P-tuning v2", peft => peft.PTuneV2(new PTuneV2.Options { BaseModel = Model, Task = PeftTask.QuestionAnswer(), MaxLength = MaxLength, Training = Training(1e-2, 6) })),
        ("P-tuning v2 for longer", peft => peft.PTuneV2(new PTuneV2.Options
        {
            BaseModel = Model, Task = PeftTask.QuestionAnswer(), MaxLength = MaxLength, Training = Training(3e-2, 20), Prefix = new PrefixOptions { Start = PrefixStart.SampledVocabulary },
        })),
        ("the head alone", peft => peft.LinearProbe(new LinearProbe.Options { BaseModel = Model, Task = PeftTask.QuestionAnswer(), MaxLength = MaxLength, Training = Training(1e-2, 6) })),
        ("prompt tuning", peft => peft.PromptTune(new PromptTune.Options { BaseModel = Model, Task = PeftTask.QuestionAnswer(), MaxLength = MaxLength, Training = Training(1e-2, 6) })),
    ];

    public static IEnumerable<object[]> Methods => s_methods.Select(method => new object[] { method.Name });

    [TestMethod, TestCategory("EndToEnd")]
    [DynamicData(nameof(Methods))]
    public void XquadIsLearnt(string method)
    {
        LongTests.Require();
        SharedData.RequireFolder(Model);
        Func<PeftCatalog, FineTuneEstimator> create = s_methods.Single(known => known.Name == method).Create;
        foreach (int seed in Seeds.Asked())
        {
            var ml = TestDevice.NewContext(seed);
            IDataView test = Data(ml, "test");
            long begun = Stopwatch.GetTimestamp();
            using PeftTransformer model = create(ml.Peft()).Fit(Data(ml, "train"));
            TimeSpan took = Stopwatch.GetElapsedTime(begun);
            SquadScore score = ml.Peft().EvaluateAnswers(model.Transform(test));
            Console.WriteLine(FormattableString.Invariant(
                $"xquad-en, {method}, seed {seed}: exact match {score.ExactMatch:f4}, F1 {score.F1:f4}; {model.TrainedWeights:n0} weights trained in {took.TotalSeconds:f0} s"));
            // What a model that learnt nothing answers with, any span of a paragraph, has an F1 of some hundredths.
            Assert.IsGreaterThan(0.15, score.F1);
        }
    }

    /// <summary>
    /// Which start and rate a prompt learns questions by: each article's first two paragraphs are learnt for three epochs and its third is asked, so that the test
    /// part has no say. One run of a method's rows makes its part of the table.
    /// </summary>
    [TestMethod, TestCategory("EndToEnd")]
    [DataRow("P-tuning v2", "Random", 3e-2), DataRow("P-tuning v2", "Random", 1e-1), DataRow("P-tuning v2", "SampledVocabulary", 1e-2)]
    [DataRow("P-tuning v2", "SampledVocabulary", 3e-2), DataRow("P-tuning v2", "SampledVocabulary", 1e-1), DataRow("P-tuning v2", "Zero", 3e-2)]
    [DataRow("prompt tuning", "SampledVocabulary", 3e-2), DataRow("prompt tuning", "SampledVocabulary", 1e-1)]
    public void AStartAndARateAreFound(string method, string start, double rate)
    {
        LongTests.Require();
        SharedData.RequireFolder(Model);
        var ml = TestDevice.NewContext(1);
        TrainingOptions training = Training(rate, 3);
        var losses = new List<double>();
        training.Progress = new Each(progress => losses.Add(progress.Loss));
        PeftTask task = PeftTask.QuestionAnswer();
        FineTuneEstimator estimator = method == "P-tuning v2"
            ? ml.Peft().PTuneV2(new PTuneV2.Options { BaseModel = Model, Task = task, MaxLength = MaxLength, Training = training, Prefix = new PrefixOptions { Start = Enum.Parse<PrefixStart>(start) } })
            : ml.Peft().PromptTune(new PromptTune.Options { BaseModel = Model, Task = task, MaxLength = MaxLength, Training = training, Prompt = new PromptOptions { Start = Enum.Parse<VirtualTokenStart>(start) } });
        var byParagraph = SquadFile.Read(SharedData.Require(Path.Combine(SharedData.Data, "xquad-en"), "train.json"))
            .GroupBy(question => question.Title)
            .SelectMany(article => article.GroupBy(question => question.Context).Select((paragraph, index) => (Asked: index == 2, Questions: paragraph)))
            .ToLookup(paragraph => paragraph.Asked, paragraph => paragraph.Questions);
        IDataView Of(bool asked) => ml.Data.LoadFromEnumerable(byParagraph[asked].SelectMany(questions => questions));
        using PeftTransformer model = estimator.Fit(Of(asked: false));
        SquadScore score = ml.Peft().EvaluateAnswers(model.Transform(Of(asked: true)));
        Console.WriteLine(FormattableString.Invariant($"xquad-en, {method} from {start} at {rate}: exact match {score.ExactMatch:f4}, F1 {score.F1:f4}; loss {losses.Take(10).Average():f2}, then {losses.TakeLast(10).Average():f2}"));
        Assert.IsGreaterThan(0.02, score.F1);
    }

    private static IDataView Data(MLContext ml, string part) =>
        ml.Data.LoadFromEnumerable(SquadFile.Read(SharedData.Require(Path.Combine(SharedData.Data, "xquad-en"), part + ".json")));

    private sealed class Each(Action<TrainingProgress> report) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => report(value);
    }

    private static TrainingOptions Training(double rate, int epochs) => new() { LearningRate = rate, MaxEpochs = epochs, BatchSize = BatchSize };
}
