using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using QuickStart;
using Samples;
using TwoTasks;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
const int Labels = 12, UsualRows = 2500;

return new CommandLine(
    "Teaches one model two tasks through one prefix (P-tuning v2): which namespace a sentence is about, and which of its words are names in code.",
    new CommandLineOption("rows", "NUMBER", $"training rows at most ({UsualRows})")).Run(args, values => Learn(values.Number("rows", UsualRows)));

static void Learn(int rows)
{
    var ml = new MLContext(seed: 1);
    DataSplit data = DataSplit.Of(ApiDocs.Commonest(ApiDocs.LoadWithNames(), Labels), rows);
    IDataView train = ml.Data.LoadFromEnumerable(Sentence.Of(data.Train)), test = ml.Data.LoadFromEnumerable(Sentence.Of(data.Test));
    string folder = Path.Combine(AppContext.BaseDirectory, "output"), file = Path.Combine(folder, "two-tasks.zip");

    // Each row names its task, and its other label is not read.
    PeftTask tasks = PeftTask.Several(new Dictionary<string, PeftTask>
    {
        [Sentence.NamespaceTask] = PeftTask.TextClassification("Text", null, "NamespaceKey", "PredictedNamespace", "NamespaceScore"),
        [Sentence.NameTask] = PeftTask.TokenClassification("Text", "KindKeys", "PredictedKinds", "KindScore"),
    });
    IEstimator<ITransformer> pipeline = ml.Transforms.Conversion.MapValueToKey("NamespaceKey", "Namespace")
        .Append(ml.Transforms.Conversion.MapValueToKey("KindKeys", "Kinds"))
        .Append(ml.Peft().PTuneV2(MiniLm.WriteFolder(Path.Combine(folder, "all-MiniLM-L6-v2")), tasks, maxEpochs: 8));
    using (var model = (IDisposable)pipeline.Fit(train))
        ml.Model.Save((ITransformer)model, train.Schema, file);

    // Without the column one pass asks both heads of every row.
    ITransformer loaded = ml.Model.Load(file, out _);
    IDataView answers = loaded.Transform(ml.Transforms.DropColumns("Task").Fit(test).Transform(test));
    Report(ml, answers, data, new FileInfo(file).Length);
}

static void Report(MLContext ml, IDataView answers, DataSplit data, long bytes)
{
    double accuracy = ml.MulticlassClassification.Evaluate(answers, "NamespaceKey", "NamespaceScore", "PredictedNamespace").MicroAccuracy;
    double commonest = (double)data.Test.CountBy(row => row.Label).Max(label => label.Value) / data.Test.Count;
    IEstimator<ITransformer> values = ml.Transforms.Conversion.MapKeyToValue("PredictedNamespace").Append(ml.Transforms.Conversion.MapKeyToValue("PredictedKinds"));
    Answer[] read = [.. ml.Data.CreateEnumerable<Answer>(values.Fit(answers).Transform(answers), reuseRowObject: false)];
    var words = read.SelectMany(row => row.Kinds.Zip(row.PredictedKinds, (truth, guess) => (IsName: truth == "name", IsGuess: guess == "name"))).ToArray();
    double right = words.Count(word => word.IsName && word.IsGuess);
    double f1 = 2 * right / Math.Max(1, words.Count(word => word.IsName) + words.Count(word => word.IsGuess));
    Console.WriteLine($"{data.Train.Count:N0} rows to learn from, half for each task; {read.Length:N0} to test both on; the .zip has {bytes / 1e6:F1} MB.");
    Console.WriteLine($"Namespaces: accuracy {accuracy:F3} (the commonest of {Labels} alone {commonest:F3}). Names among {words.Length:N0} words: F1 {f1:F3}.");
    foreach (Answer row in read.Where(row => row.Names.Any()).Take(4))
        Console.WriteLine($"  {row.Text}{Environment.NewLine}    {row.PredictedNamespace}; names: {string.Join(", ", row.Names)}");
}
