using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Metrics;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Training;

namespace RealModels.Tests.EndToEnd;

/// <summary>
/// LoRA on all-MiniLM-L6-v2 over real data, by the settings under which PEFT was measured (AdamW with decay on all tensors,
/// 6 % warm-up, linear, clip 1, batch 32, rank 8, alpha 16, all encoder linears, rate 1e-3): not below the range that PEFT's
/// seeds span.
/// </summary>
[TestClass]
public sealed class SharedDataTests
{
    private static readonly string Model = Path.Combine(SharedData.Models, "all-minilm-l6-v2");

    private static readonly Dictionary<string, Func<PeftCatalog, PeftTask, FineTuneEstimator>> s_taggers = new()
    {
        // A classifier of tokens has no pooler that could be left out.
        ["LoRA"] = (peft, task) => peft.Lora(Options(task, maxLength: 96, epochs: 4, leftOut: [])),
        ["P-tuning v2"] = (peft, task) => peft.PTuneV2(new PTuneV2.Options { BaseModel = Model, Task = task, MaxLength = 96, Training = new TrainingOptions { LearningRate = 3e-2, MaxEpochs = 4 } }),
        ["prompt tuning"] = (peft, task) => peft.PromptTune(new PromptTune.Options { BaseModel = Model, Task = task, MaxLength = 96, Training = new TrainingOptions { LearningRate = 1e-2, MaxEpochs = 4 } }),
    };

    [TestMethod, TestCategory("EndToEnd")]
    public void SmsSpamReachesPeft()
    {
        SharedData.RequireFolder(Model);
        var ml = TestDevice.NewContext(seed: 1);
        IDataView train = ml.Data.LoadFromEnumerable(TextRows("sms-spam", "train").Where((_, i) => i % 2 == 0));
        IDataView test = ml.Data.LoadFromEnumerable(TextRows("sms-spam", "test"));

        var metrics = Classify(ml, train, test, maxLength: 64, epochs: 3);

        const int Spam = 1; // Keys come in order of appearance, and the first row is ham.
        double f1 = F1(metrics.ConfusionMatrix, Spam);
        Console.WriteLine(FormattableString.Invariant($"sms-spam: accuracy {metrics.MicroAccuracy:f4}, F1 of spam {f1:f4} (PEFT .9922 to .9961, .9683 to .9844)"));
        Assert.IsGreaterThanOrEqualTo(0.9922, Math.Round(metrics.MicroAccuracy, 4));
        Assert.IsGreaterThanOrEqualTo(0.9683, Math.Round(f1, 4));
    }

    // One seed says little here: PEFT's own three lie .07 and .13 apart.
    [TestMethod, TestCategory("EndToEnd")]
    public void GithubIssuesReachPeft()
    {
        LongTests.Require();
        SharedData.RequireFolder(Model);
        var found = new List<(double Accuracy, double Macro)>();
        foreach (int seed in new[] { 1, 2, 3 })
        {
            var ml = TestDevice.NewContext(seed);
            IDataView train = ml.Data.LoadFromEnumerable(IssueRows("train"));
            var metrics = Classify(ml, train, ml.Data.LoadFromEnumerable(IssueRows("test")), maxLength: 64, epochs: 4);
            found.Add((metrics.MicroAccuracy, metrics.ConfusionMatrix.PerClassPrecision.Select((_, c) => F1(metrics.ConfusionMatrix, c)).Average()));
            Console.WriteLine(FormattableString.Invariant($"github-issues, seed {seed}: accuracy {found[^1].Accuracy:f4}, macro F1 {found[^1].Macro:f4} (PEFT .5362 to .6087, .1934 to .3265)"));
        }
        Assert.IsGreaterThanOrEqualTo(0.5362, found.Average(f => f.Accuracy));
        Assert.IsGreaterThanOrEqualTo(0.1934, found.Average(f => f.Macro));
    }

    [TestMethod, TestCategory("EndToEnd")]
    public void Wnut17ReachesPeft() => Assert.IsGreaterThanOrEqualTo(0.4101, Math.Round(Tag("LoRA", seed: 1), 4), "PEFT: .4101 and .4162, one seed collapsed");

    /// <summary>Soft prompts beside LoRA, on the same rows for as many epochs; <c>PEFT_SEEDS</c> (such as <c>1</c>) asks for other seeds than three.</summary>
    [TestMethod, TestCategory("EndToEnd")]
    [DataRow("P-tuning v2"), DataRow("prompt tuning"), DataRow("LoRA")]
    public void Wnut17Table(string method)
    {
        foreach (int seed in Seeds.Asked())
            Assert.IsGreaterThan(0, Tag(method, seed), "Not a single entity was found.");
    }

    private static double Tag(string method, int seed)
    {
        LongTests.Require();
        SharedData.RequireFolder(Model);
        var ml = TestDevice.NewContext(seed);
        TaggedRow[] testRows = [.. TaggedRows("test")];
        IDataView train = ml.Data.LoadFromEnumerable(TaggedRows("train"));
        using var model = ml.Transforms.Conversion.MapValueToKey("Tags").Append(s_taggers[method](ml.Peft(), PeftTask.TokenClassification("Words", "Tags"))).Fit(train);

        IDataView scored = model.Transform(ml.Data.LoadFromEnumerable(testRows));
        string[][] spans = [.. ml.Data.CreateEnumerable<SpanRow>(scored, reuseRowObject: false).Select(row => row.Spans)];
        double f1 = EntityF1(testRows.Select(row => BioSpan.Read(row.Tags).Select(span => span.ToString()).ToArray()), spans);
        Console.WriteLine(FormattableString.Invariant($"wnut17, {method}, seed {seed}: entity F1 {f1:f4}; {model.LastTransformer.TrainedWeights:n0} weights"));
        return f1;
    }

    private static MulticlassClassificationMetrics Classify(MLContext ml, IDataView train, IDataView test, int maxLength, int epochs)
    {
        var pipeline = ml.Transforms.Conversion.MapValueToKey("Label")
            .Append(ml.Peft().Lora(Options(PeftTask.TextClassification(), maxLength, epochs, leftOut: ["pooler.dense"])));
        using var model = pipeline.Fit(train);
        return ml.MulticlassClassification.Evaluate(model.Transform(test));
    }

    private static LoraFineTune.Options Options(PeftTask task, int maxLength, int epochs, string[] leftOut) => new()
    {
        BaseModel = Model,
        Task = task,
        MaxLength = maxLength,
        Lora = new LoraOptions { Rank = 8, Alpha = 16, TargetModules = [LoraOptions.AllLinear], ExcludeModules = leftOut },
        Training = new TrainingOptions { LearningRate = 1e-3, MaxEpochs = epochs, DecayBiasesAndNorms = true },
    };

    private static double F1(ConfusionMatrix matrix, int c)
    {
        double precision = matrix.PerClassPrecision[c], recall = matrix.PerClassRecall[c];
        return precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0;
    }

    private static double EntityF1(IEnumerable<string[]> truths, IEnumerable<string[]> guesses)
    {
        var pairs = truths.Zip(guesses).ToList();
        double right = pairs.Sum(p => p.First.Intersect(p.Second).Count());
        double all = pairs.Sum(p => p.First.Length + p.Second.Length);
        return 2 * right / Math.Max(1, all);
    }

    private static IEnumerable<TextRow> TextRows(string set, string part) => File.ReadLines(DataFile(set, part + ".tsv")).Skip(1)
        .Select(line => line.Split('\t')).Select(cells => new TextRow { Label = cells[0], Text = cells[1] });

    private static IEnumerable<TextRow> IssueRows(string part) => File.ReadLines(DataFile("github-issues", part + ".tsv")).Skip(1)
        .Select(line => line.Split('\t'))
        .Select(cells => new TextRow { Label = cells[1], Text = $"{cells[2]} {cells[3][..Math.Min(400, cells[3].Length)]}" });

    private static IEnumerable<TaggedRow> TaggedRows(string part)
    {
        var tokens = new List<string[]>();
        foreach (string line in File.ReadLines(DataFile("wnut17", part + ".conll")).Append(""))
        {
            if (line.Length > 0)
            {
                tokens.Add(line.Split('\t'));
                continue;
            }
            if (tokens.Count > 0)
                yield return new TaggedRow { Words = [.. tokens.Select(t => t[0])], Tags = [.. tokens.Select(t => t[1])] };
            tokens.Clear();
        }
    }

    private static string DataFile(string set, string file) => SharedData.Require(Path.Combine(SharedData.Data, set), file);

    private sealed class TextRow
    {
        public string Label { get; set; } = "";

        public string Text { get; set; } = "";
    }

    private sealed class TaggedRow
    {
        public string[] Words { get; set; } = [];

        public string[] Tags { get; set; } = [];
    }

    private sealed class SpanRow
    {
        public string[] Spans { get; set; } = [];
    }
}
