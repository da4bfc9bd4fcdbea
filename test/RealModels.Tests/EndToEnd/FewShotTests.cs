using System.Text.Json.Nodes;
using Microsoft.ML;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.TestSupport;

namespace RealModels.Tests.EndToEnd;

/// <summary>
/// 32 rows of BoolQ and COPA (FewGLUE) on SmolLM2: a cloze written by hand and not trained, P-tuning with virtual tokens in the same cloze, and a linear head.
/// One run makes the table; <c>PEFT_SEEDS</c> asks for other seeds than three.
/// </summary>
[TestClass]
public sealed class FewShotTests
{
    private const int BoolQTestRows = 200;

    private static readonly string Model = Path.Combine(SharedData.Models, "smollm2-135m-instruct");

    private static readonly Dictionary<string, Set> s_sets = new()
    {
        ["BoolQ"] = new("{A}\nQuestion: {B}?\nAnswer:{mask}", "{A}{prompt:4}\nQuestion: {B}?{prompt:4}\nAnswer:{mask}",
            new() { ["true"] = " yes", ["false"] = " no" }, ClozeScoring.OneToken, Majority: 0.64, row => new Row
            {
                A = Said(row, "passage"),
                B = Said(row, "question"),
                Label = Said(row, "label"),
                Text = $"{Said(row, "passage")}\nQuestion: {Said(row, "question")}?",
            }),
        ["COPA"] = new("{A}{mask}", "{prompt:4}{A}{prompt:4}{mask}",
            new() { ["0"] = "{B}", ["1"] = "{C}" }, ClozeScoring.MeanOfTokens, Majority: 0.55, row => Copa(row)),
    };

    private static readonly Dictionary<string, Func<PeftCatalog, Set, IEstimator<PeftTransformer>>> s_methods = new()
    {
        ["by hand"] = (peft, set) => peft.ZeroShot(new ZeroShot.Options { BaseModel = Model, MaxLength = MaxLength, Task = set.Cloze(set.Pattern) }),
        ["P-tuning"] = (peft, set) => peft.PTune(With(new PTune.Options { Prompt = new PTuningOptions { VirtualTokens = 8 } }, set.Cloze(set.Prompted), 1e-2)),
        ["linear head"] = (peft, _) => peft.LinearProbe(With(new LinearProbe.Options(), PeftTask.TextClassification(), 1e-2)),
    };

    private const int MaxLength = 160;

    public static IEnumerable<object[]> Runs => s_sets.Keys.SelectMany(set => s_methods.Keys.Select(method => new object[] { set, method }));

    [TestMethod, TestCategory("EndToEnd")]
    [DynamicData(nameof(Runs))]
    public void FewRowsAreLearntFrom(string name, string method)
    {
        LongTests.Require();
        SharedData.RequireFolder(Model);
        Set set = s_sets[name];
        foreach (int seed in Seeds.Asked())
        {
            var ml = TestDevice.NewContext(seed);
            IDataView train = ml.Data.LoadFromEnumerable(Rows(name, "train")), test = ml.Data.LoadFromEnumerable(Rows(name, "test").Take(BoolQTestRows));
            using var model = ml.Transforms.Conversion.MapValueToKey("Label").Append(s_methods[method](ml.Peft(), set)).Fit(train);
            double accuracy = ml.MulticlassClassification.Evaluate(model.Transform(test)).MicroAccuracy;
            Console.WriteLine(FormattableString.Invariant($"{name}, {method}, seed {seed}: accuracy {accuracy:f4} (the majority of the whole test part {set.Majority})"));
            Assert.IsGreaterThan(0.3, accuracy, "Two classes: far below chance is a fault, not a lack of knowledge.");
        }
    }

    private static T With<T>(T options, PeftTask task, double rate)
        where T : FineTuneOptions
    {
        (options.BaseModel, options.MaxLength, options.Task) = (Model, MaxLength, task);
        options.Training = new TrainingOptions { LearningRate = rate, MaxEpochs = 10, BatchSize = 8 };
        return options;
    }

    private static Row Copa(JsonNode row)
    {
        string joint = Said(row, "question") == "cause" ? "because" : "so", premise = $"{Said(row, "premise").TrimEnd('.')} {joint}";
        (string first, string second) = (Choice("choice1"), Choice("choice2"));
        return new Row { A = premise, B = " " + first, C = " " + second, Label = Said(row, "label"), Text = $"{premise}: {first} Or: {second}" };

        string Choice(string key) => string.Concat(Said(row, key)[..1].ToLowerInvariant(), Said(row, key).AsSpan(1));
    }

    private static string Said(JsonNode row, string key) => row[key]!.ToString();

    private static IEnumerable<Row> Rows(string name, string part) =>
        File.ReadLines(SharedData.Require(Path.Combine(SharedData.Data, "fewglue", name), part + ".jsonl")).Select(line => s_sets[name].Read(JsonNode.Parse(line)!));

    /// <param name="Pattern">The cloze.</param>
    /// <param name="Prompted">The same with places for eight virtual tokens.</param>
    /// <param name="Verbalizers">What stands in the gap.</param>
    /// <param name="Scoring">How it is scored.</param>
    /// <param name="Majority">What always giving the commoner answer reaches.</param>
    /// <param name="Read">Makes a row.</param>
    private sealed record Set(
        string Pattern, string Prompted, Dictionary<string, string> Verbalizers, ClozeScoring Scoring, double Majority, Func<JsonNode, Row> Read)
    {
        public PeftTask Cloze(string pattern) => PeftTask.ClozeClassification(pattern, Verbalizers, Scoring);
    }

    private sealed class Row
    {
        public string A { get; set; } = "";

        public string B { get; set; } = "";

        public string C { get; set; } = "";

        public string Label { get; set; } = "";

        public string Text { get; set; } = "";
    }
}
