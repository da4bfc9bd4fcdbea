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

    /// <summary>Each method's name, its estimator, and the F1 that it must pass: any span of a paragraph has some hundredths, and the head alone is what others are held against.</summary>
    private static readonly (string Name, Func<PeftCatalog, FineTuneEstimator> Create, double Bar)[] s_methods =
    [
        ("full", peft => peft.FullFineTune(Asked(new FullFineTune.Options(), 2e-4, 6)), 0.35),
        ("LoRA", peft => peft.Lora(Asked(new LoraFineTune.Options { Lora = new LoraOptions { Rank = 8, Alpha = 16, TargetModules = [LoraOptions.AllLinear] } }, 2e-3, 6)), 0.3),
        ("P-tuning v2", peft => peft.PTuneV2(Asked(new PTuneV2.Options { Prefix = new PrefixOptions { Start = PrefixStart.SampledVocabulary } }, 3e-2, 20)), 0.15),
        ("P-tuning v2, 6 epochs", peft => peft.PTuneV2(Asked(new PTuneV2.Options(), 1e-2, 6)), 0.15),
        ("prompt tuning", peft => peft.PromptTune(Asked(new PromptTune.Options(), 1e-2, 6)), 0.15),
        ("the head alone", peft => peft.LinearProbe(Asked(new LinearProbe.Options(), 1e-2, 6)), 0.05),
    ];

    public static IEnumerable<object[]> Methods => s_methods.Select(method => new object[] { method.Name });

    [TestMethod, TestCategory("EndToEnd")]
    [DynamicData(nameof(Methods))]
    public void XquadIsLearnt(string method)
    {
        LongTests.Require();
        SharedData.RequireFolder(Model);
        var (_, create, bar) = s_methods.Single(known => known.Name == method);
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
            Assert.IsGreaterThan(bar, score.F1);
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
        FineTuneEstimator estimator = method == "P-tuning v2"
            ? ml.Peft().PTuneV2(Asked(new PTuneV2.Options { Prefix = new PrefixOptions { Start = Enum.Parse<PrefixStart>(start) } }, rate, 3))
            : ml.Peft().PromptTune(Asked(new PromptTune.Options { Prompt = new PromptOptions { Start = Enum.Parse<VirtualTokenStart>(start) } }, rate, 3));
        var byParagraph = SquadFile.Read(SharedData.Require(Path.Combine(SharedData.Data, "xquad-en"), "train.json"))
            .GroupBy(question => question.Title)
            .SelectMany(article => article.GroupBy(question => question.Context).Select((paragraph, index) => (Asked: index == 2, Questions: paragraph)))
            .ToLookup(paragraph => paragraph.Asked, paragraph => paragraph.Questions);
        IDataView Of(bool asked) => ml.Data.LoadFromEnumerable(byParagraph[asked].SelectMany(questions => questions));
        using PeftTransformer model = estimator.Fit(Of(asked: false));
        SquadScore score = ml.Peft().EvaluateAnswers(model.Transform(Of(asked: true)));
        Console.WriteLine(FormattableString.Invariant($"xquad-en, {method} from {start} at {rate}: exact match {score.ExactMatch:f4}, F1 {score.F1:f4}"));
        Assert.IsGreaterThan(0.02, score.F1);
    }

    private static IDataView Data(MLContext ml, string part) =>
        ml.Data.LoadFromEnumerable(SquadFile.Read(SharedData.Require(Path.Combine(SharedData.Data, "xquad-en"), part + ".json")));

    private static T Asked<T>(T options, double rate, int epochs)
        where T : FineTuneOptions
    {
        (options.BaseModel, options.Task, options.MaxLength) = (Model, PeftTask.QuestionAnswer(), MaxLength);
        options.Training = new TrainingOptions { LearningRate = rate, MaxEpochs = epochs, BatchSize = BatchSize };
        return options;
    }
}
