using System.Diagnostics;
using System.Globalization;
using ClipIcons;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.VisionLanguage;
using Samples;

// Freed memory goes back to the system at once (glibc); the library reads this when it is first used.
Environment.SetEnvironmentVariable("PEFT_MMAP_THRESHOLD", "1048576");

const int UsualSeed = 1;
return new CommandLine(
    "Trains a small CLIP from nothing on Google's Material icons, and looks for icons by names that it has never read.",
    new CommandLineOption("epochs", "NUMBER", $"times that every icon is seen ({IconTraining.UsualEpochs})"),
    new CommandLineOption("seed", "NUMBER", $"decides which names are held out, and the weights ({UsualSeed})"),
    new CommandLineOption("captions", "KIND", "'own' (the usual), or 'shuffled': each name with another's words, to see what is learnt without meaning"))
    .Run(args, values => TrainOnIcons(values.Number("epochs", IconTraining.UsualEpochs), values.Number("seed", UsualSeed), values.Get("captions") switch
    {
        null or "own" => false,
        "shuffled" => true,
        { } other => throw new ArgumentException($"--captions is '{other}'; expected own or shuffled."),
    }));

void TrainOnIcons(int epochs, int seed, bool shuffled)
{
    var clock = Stopwatch.StartNew();
    string folder = AppContext.BaseDirectory;
    IconSplit icons = IconSplit.Of(Icon.All(), seed);
    IconRow[] train = [.. icons.TrainingPairs(shuffled, seed).Select(pair => IconRow.Of(pair.Icon, pair.Caption))];
    IconRow[] heldOut = [.. icons.HeldOut.Select(icon => IconRow.Of(icon, icon.Caption))];
    Console.WriteLine($"{train.Length:N0} icons to learn from, {heldOut.Length:N0} of {icons.HeldOut.Select(icon => icon.Name).Distinct().Count()} other names held out; drawn in {clock.Elapsed.TotalSeconds:F0} s.");

    var ml = new MLContext(seed);
    using PeftTransformer model = IconTraining.Train(ml, Path.Combine(folder, "cache", "icon-clip-untrained"), train, epochs);
    Console.WriteLine($"Trained after {clock.Elapsed:m\\:ss} min.");

    IDataView scored = model.Transform(ml.Data.LoadFromEnumerable(heldOut));
    ScoredIcon[] found = [.. scored.GetColumn<float[]>("ImageEmbedding").Zip(scored.GetColumn<float[]>("TextEmbedding"), icons.HeldOut)
        .Select(row => new ScoredIcon(row.Third, row.First, row.Second))];
    (double recall, double chance) = Retrieval.RecallAt10(found);
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"recall@10 {recall:F4}, by chance {chance:F4}, {recall / chance:F1} times it"));
    if (shuffled)
        return;
    Console.WriteLine($"Contact sheet: {ContactSheet.Save(Path.Combine(folder, "clip-icons.png"), Sheet(found))}");
    Classify(ml, model, Path.Combine(folder, "cache", "icon-clip"), icons.HeldOut, heldOut);
    Console.WriteLine($"All of it: {clock.Elapsed:m\\:ss} min.");
}

// Twelve names, looked for among all icons that were held out, whatever their style.
static IReadOnlyList<(string, string, IReadOnlyList<Icon>)> Sheet(ScoredIcon[] icons)
{
    float[][] pictures = [.. icons.Select(icon => icon.Picture)];
    ScoredIcon[] asked = [.. icons.Where(icon => icon.Icon.Style == "filled")];
    return [.. asked.Where((_, i) => i % Math.Max(1, asked.Length / 12) == 0).Take(12)
        .Select(icon => (icon.Icon.Words, icon.Icon.Name, (IReadOnlyList<Icon>)[.. Retrieval.Nearest(icon.Text, pictures).Take(Retrieval.Shown).Select(i => icons[i].Icon)]))];
}

// The model as a folder that any program reads; its classes are names that it has never read.
static void Classify(MLContext ml, PeftTransformer model, string folder, IReadOnlyList<Icon> icons, IconRow[] rows)
{
    if (Directory.Exists(folder))
        Directory.Delete(folder, recursive: true);
    model.SaveMergedModel(folder);
    string[] names = [.. icons.Select(icon => icon.Words).Distinct()], templates = [.. icons.Select(icon => $"a {icon.Style} icon of {{}}").Distinct()];
    IDataView data = ml.Transforms.Conversion.MapValueToKey("Label", nameof(IconRow.Words)).Fit(ml.Data.LoadFromEnumerable(rows)).Transform(ml.Data.LoadFromEnumerable(rows));
    ITransformer classifier = ml.VisionLanguage().ClipZeroShotClassifier(new ClipZeroShotClassifier.Options { BaseModel = folder, LabelColumnName = "Label", Templates = templates }).Fit(data);
    using var held = (IDisposable)classifier;
    MulticlassClassificationMetrics metrics = ml.MulticlassClassification.Evaluate(classifier.Transform(data), topKPredictionCount: 5);
    Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture, $"Zero-shot among {names.Length} names never read: accuracy {metrics.MicroAccuracy:F4}, top 5 {metrics.TopKAccuracy:F4} (by chance {1.0 / names.Length:F4}, {5.0 / names.Length:F4})"));
}
