using System.Text.Json.Nodes;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.TestSupport;
using Samples;

namespace RealModels.Tests.EndToEnd.BlankComparison;

/// <summary>
/// A small GLM, pretrained on the SDK's documentation and tiny-shakespeare by the user's door, learns to classify from 32 rows: as a cloze, which it was pretrained
/// for, and by a linear head. <c>PEFT_SEEDS</c> asks for other seeds than three, which draw the rows and the head.
/// </summary>
[TestClass]
public sealed class ClozeAgainstHeadTests
{
    private const int Docs = 6000, Vocabulary = 2000, MaxLength = 64, Epochs = 6, RowsOfAClass = 16, TestRows = 400;

    private static readonly string s_folder = Path.Combine(Path.GetTempPath(), $"cloze-against-head-{Guid.NewGuid():N}");
    private static readonly Lazy<string> s_pretrained = new(Pretrain);

    private static readonly Dictionary<string, (Func<string, IEnumerable<Row>> Rows, PeftTask Cloze)> s_sets = new()
    {
        ["sms-spam"] = (part => SpamRows(part), Cloze("{Text} This message is {mask}.", ("ham", " a text"), ("spam", " an offer"))),
        ["BoolQ"] = (part => BoolQRows(part), Cloze("{Question}? {mask}. {Text}", ("true", " Yes"), ("false", " No"))),
    };

    private static readonly Dictionary<string, Func<PeftCatalog, string, FineTuneEstimator>> s_ways = new()
    {
        ["cloze"] = (peft, set) => peft.FullFineTune(Options(s_sets[set].Cloze)),
        ["linear head"] = (peft, set) => peft.FullFineTune(Options(PeftTask.TextClassification(
            sentence1ColumnName: set == "BoolQ" ? "Question" : "Text", sentence2ColumnName: set == "BoolQ" ? "Text" : null))),
    };

    public static IEnumerable<object[]> Runs => s_sets.Keys.SelectMany(set => s_ways.Keys.Select(way => new object[] { set, way }));

    [ClassCleanup]
    public static void DeleteFolder()
    {
        if (Directory.Exists(s_folder))
            Directory.Delete(s_folder, recursive: true);
    }

    [TestMethod, TestCategory("EndToEnd")]
    [DynamicData(nameof(Runs))]
    public void FewRowsAreLearntFrom(string set, string way)
    {
        LongTests.Require();
        foreach (int seed in Seeds.Asked())
        {
            MLContext ml = TestDevice.NewContext(seed);
            Row[] test = [.. s_sets[set].Rows("test").Take(TestRows)];
            IDataView train = ml.Data.LoadFromEnumerable(Drawn(s_sets[set].Rows("train"), seed));
            using var model = ml.Transforms.Conversion.MapValueToKey("Label").Append(s_ways[way](ml.Peft(), set)).Fit(train);
            MulticlassClassificationMetrics found = ml.MulticlassClassification.Evaluate(model.Transform(ml.Data.LoadFromEnumerable(test)));
            double majority = test.CountBy(row => row.Label).Max(count => count.Value) / (double)test.Length;
            Console.WriteLine(FormattableString.Invariant(
                $"GLM, {set}, {way}, seed {seed}: accuracy {found.MicroAccuracy:f4}, mean over classes {found.MacroAccuracy:f4} (majority {majority:f4}) of {test.Length} rows"));
            Assert.IsGreaterThan(0.3, found.MacroAccuracy, "Two classes: far below chance is a fault, not a lack of knowledge.");
        }
    }

    private static PeftTask Cloze(string pattern, params (string Label, string Words)[] verbalizers) =>
        PeftTask.ClozeClassification(pattern, verbalizers.ToDictionary(words => words.Label, words => words.Words), ClozeScoring.MeanOfTokens);

    private static FullFineTune.Options Options(PeftTask task) => new()
    {
        BaseModel = s_pretrained.Value, MaxLength = MaxLength, Task = task, Training = new TrainingOptions { LearningRate = 5e-4, MaxEpochs = 20, BatchSize = 8 },
    };

    private static IEnumerable<Row> Drawn(IEnumerable<Row> rows, int seed)
    {
        var random = new SplitMix64(seed);
        Row[] all = [.. rows.Select(row => (row, Order: random.Next(int.MaxValue))).OrderBy(drawn => drawn.Order).Select(drawn => drawn.row)];
        return all.Length <= 2 * RowsOfAClass ? all : all.GroupBy(row => row.Label).OrderBy(group => group.Key, StringComparer.Ordinal).SelectMany(group => group.Take(RowsOfAClass));
    }

    private static string Pretrain()
    {
        string start = Path.Combine(s_folder, "start"), pretrained = Path.Combine(s_folder, "pretrained");
        string[] texts = [.. DataSplit.Of(ApiDocs.Load(), Docs).Train.Select(row => row.Text), .. Data("tiny-shakespeare", "train.txt").Split("\n\n", StringSplitOptions.RemoveEmptyEntries)];
        GlmFolder.Create(start, new GlmShape { HiddenSize = 128, Layers = 4, Heads = 4, MaxLength = MaxLength, Dropout = 0 }, texts, Vocabulary);
        MLContext ml = TestDevice.NewContext(seed: 1);
        using PeftTransformer model = ml.Peft().GlmPretrain(new GlmPretrain.Options
        {
            BaseModel = start, StartFromScratch = true, Training = new TrainingOptions { MaxEpochs = Epochs, LearningRate = 1.5e-3, WarmupRatio = 0.05 },
        }).Fit(ml.Data.LoadFromEnumerable(texts.Select(text => new Row { Text = text })));
        model.SaveMergedModel(pretrained);
        return pretrained;
    }

    private static IEnumerable<Row> SpamRows(string part) => Data("sms-spam", part + ".tsv").Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1)
        .Select(line => line.TrimEnd('\r').Split('\t')).Select(cells => new Row { Label = cells[0], Text = cells[1] });

    private static IEnumerable<Row> BoolQRows(string part) => Data("fewglue", Path.Combine("BoolQ", part + ".jsonl")).Split('\n', StringSplitOptions.RemoveEmptyEntries)
        .Select(line => JsonNode.Parse(line)!).Select(row => new Row { Label = row["label"]!.ToString(), Text = row["passage"]!.ToString(), Question = row["question"]!.ToString() });

    private static string Data(string set, string file) => File.ReadAllText(SharedData.Require(Path.Combine(SharedData.Data, set), file));

    private sealed class Row
    {
        public string Text { get; set; } = "";

        public string Question { get; set; } = "";

        public string Label { get; set; } = "";
    }
}
