using System.Diagnostics;
using ClipClassify;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.VisionLanguage;
using Samples;

// dotnet run -c Release --project samples/ClipClassify -- --model models/clip-vit-base-patch32 --data pictures
const int Shown = 3;

return Arguments.Line.Run(args, values =>
{
    var arguments = new Arguments(values);
    if (arguments.Predict is { } saved)
        Predict(saved, PictureFolder.Read(arguments.Data));
    else
        PredictElsewhere(Make(arguments), arguments.Data);
});

static string Make(Arguments arguments)
{
    var ml = new MLContext(seed: 1);
    IReadOnlyList<(string Path, string Label)> pictures = PictureFolder.Read(arguments.Data);
    string[] labels = [.. pictures.Select(picture => picture.Label).Distinct()];
    IReadOnlyList<string> templates = arguments.Averages ? ClipTemplates.ImageNet : ClipTemplates.Default;
    Console.WriteLine($"{pictures.Count:N0} pictures in {labels.Length} classes ({string.Join(", ", labels)}), {templates.Count} templates.");

    var clock = Stopwatch.StartNew();
    IDataView rows = ClipModel.Rows(ml, pictures);
    ITransformer model = ClipModel.Train(ml, arguments.Model, templates, rows);
    Console.WriteLine($"The classes' vectors took {clock.Elapsed.TotalSeconds:F1} s.");
    clock.Restart();
    MulticlassClassificationMetrics metrics = ClipModel.Evaluate(ml, model, rows, Math.Min(Shown, labels.Length));
    Console.WriteLine($"Accuracy {metrics.MicroAccuracy:F3} ({1.0 / labels.Length:F3} by chance), top {metrics.TopKPredictionCount} {metrics.TopKAccuracy:F3}: "
        + $"{pictures.Count / clock.Elapsed.TotalSeconds:F1} pictures a second.");
    Console.WriteLine(metrics.ConfusionMatrix.GetFormattedConfusionTable());
    string path = Path.Combine(AppContext.BaseDirectory, "clip-classify.zip");
    ClipModel.Save(ml, model, path);
    return path;
}

// A process of its own: nothing but the file can have carried the model over.
static void PredictElsewhere(string path, string data)
{
    Console.WriteLine($"{Path.GetFileName(path)} ({new FileInfo(path).Length / 1e6:F1} MB), loaded by a new process:");
    var start = new ProcessStartInfo(Environment.ProcessPath!);
    if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet")
        start.ArgumentList.Add(typeof(ClipModel).Assembly.Location);
    foreach (string argument in new[] { "--predict", path, "--data", data })
        start.ArgumentList.Add(argument);
    using Process process = Process.Start(start)!;
    process.WaitForExit();
    if (process.ExitCode != 0)
        throw new InvalidOperationException($"The new process ended with {process.ExitCode}.");
}

// One picture of each class.
static void Predict(string path, IReadOnlyList<(string Path, string Label)> pictures)
{
    using ClipModel model = ClipModel.Load(path);
    foreach ((string file, string label) in pictures.DistinctBy(picture => picture.Label))
    {
        byte[] image = File.ReadAllBytes(file);
        var best = model.PredictAllLabels(image).Take(Shown).Select(l => $"{l.Label} {l.Score:P0}");
        Console.WriteLine($"  {Path.GetFileName(file)} ({label}): {model.Predict(image).PredictedLabel}: {string.Join(", ", best)}");
    }
}
