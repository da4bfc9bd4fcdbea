using System.Diagnostics;
using System.Globalization;
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
        string[] seeds = (Environment.GetEnvironmentVariable("PEFT_SEEDS") ?? "1,2,3").Split(',');
        foreach (int seed in seeds.Select(text => int.Parse(text, CultureInfo.InvariantCulture)))
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

    private static IDataView Data(MLContext ml, string part) =>
        ml.Data.LoadFromEnumerable(SquadFile.Read(SharedData.Require(Path.Combine(SharedData.Data, "xquad-en"), part + ".json")));

    private static TrainingOptions Training(double rate, int epochs) => new() { LearningRate = rate, MaxEpochs = epochs, BatchSize = BatchSize };
}
