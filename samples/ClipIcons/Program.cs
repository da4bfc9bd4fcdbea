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

const int UsualEpochs = 12, UsualSeed = 1;
return new CommandLine(
    "Trains a small CLIP from nothing on Google's Material icons, and looks for icons by names that it has never read.",
    new CommandLineOption("epochs", "NUMBER", $"times that every icon is seen ({UsualEpochs})"),
    new CommandLineOption("seed", "NUMBER", $"decides which names are held out, and the weights ({UsualSeed})"),
    new CommandLineOption("captions", "KIND", "'own' (the usual), or 'shuffled': each name with another's words, to see what is learnt without meaning"))
    .Run(args, values => TrainOnIcons(values.Number("epochs", UsualEpochs), values.Number("seed", UsualSeed), values.Get("captions") switch
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
    string start = IconClip.WriteFolder(Path.Combine(folder, "cache", "icon-clip-untrained"), train.Select(row => row.Text));
    using PeftTransformer model = ml.Peft().FullFineTune(new FullFineTune.Options
    {
        BaseModel = start,
        StartFromScratch = true,
        Task = ClipTask.Pairs(),
        Training = new TrainingOptions
        {
            MaxEpochs = epochs,
            BatchSize = 256,
            // So small a model runs a batch in one piece.
            MiniBatchSize = 256,
            LearningRate = 5e-4,
            // The paper's, for towers that start from nothing.
            Beta2 = 0.98,
            Epsilon = 1e-6,
            WeightDecay = 0.1,
            Schedule = LearningRateSchedule.Cosine,
            WarmupRatio = 0.1,
            // Captions of like length have styles in common: they are told from any others.
            GroupByLength = false,
            Progress = new Epochs(),
        },
    }).Fit(ml.Data.LoadFromEnumerable(train));
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

/// <summary>A picture and what is said of it.</summary>
internal sealed class IconRow
{
    public byte[] Image { get; set; } = [];

    public string Text { get; set; } = "";

    public string Words { get; set; } = "";

    public static IconRow Of(Icon icon, string caption) => new() { Image = SvgDrawing.Png(icon.Svg, IconClip.Side), Text = caption, Words = icon.Words };
}

/// <summary>Says how the epochs go.</summary>
internal sealed class Epochs : IProgress<TrainingProgress>
{
    private readonly List<double> _losses = [];
    private int _epoch = 1;

    public void Report(TrainingProgress value)
    {
        if (value.Epoch != _epoch)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"epoch {_epoch}: loss {_losses.Average():F3}"));
            _epoch = value.Epoch;
            _losses.Clear();
        }
        _losses.Add(value.Loss);
    }
}
