using System.Diagnostics;
using QuickStart;
using Samples;

// Freed memory goes back to the system at once (glibc); the library reads this when it is first used.
Environment.SetEnvironmentVariable("PEFT_MMAP_THRESHOLD", "1048576");

const int Labels = 12;
string[] sentences =
[
    "Writes the closing tag of the current element and pops the corresponding scope.",
    "Sends an HTTP request and returns the response once its headers have arrived.",
    "Adds middleware to the application's request pipeline that authenticates users.",
    "Encrypts data with the specified key and initialization vector.",
];

var arguments = new Arguments(args);
if (arguments.Predict is { } saved)
{
    Predict(saved);
    return;
}
var clock = Stopwatch.StartNew();
string folder = AppContext.BaseDirectory;
var comparison = new Comparison(arguments.Model ?? MiniLm.WriteFolder(Path.Combine(folder, "cache", "all-MiniLM-L6-v2")), LoadData(), folder);
comparison.Run();
PredictElsewhere(comparison.ModelPath);
Console.WriteLine($"All of it: {clock.Elapsed:m\\:ss} min.");

DataSplit LoadData()
{
    IReadOnlyList<LabelledText> rows = arguments.Data is { } path
        ? TsvFile.Read(path, arguments.Text, arguments.Label)
        : ApiDocs.Commonest(ApiDocs.Load(), Labels);
    DataSplit split = DataSplit.Of(rows, arguments.Rows);
    string[] labels = [.. rows.Select(row => row.Label).Distinct().Order(StringComparer.Ordinal)];
    Console.WriteLine($"{rows.Count:N0} different texts in {labels.Length} classes ({string.Join(", ", labels)}); used (--rows {arguments.Rows} is the cap): "
        + $"{split.Train.Count:N0} to train, {split.Validation.Count:N0} to validate, {split.Test.Count:N0} to test.");
    return split;
}

// A process of its own: nothing but the file can have carried the model over.
static void PredictElsewhere(string path)
{
    Console.WriteLine($"{Path.GetFileName(path)} ({new FileInfo(path).Length / 1e6:F1} MB), loaded by a new process:");
    var start = new ProcessStartInfo(Environment.ProcessPath!);
    if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet")
        start.ArgumentList.Add(typeof(MiniLm).Assembly.Location);
    start.ArgumentList.Add("--predict");
    start.ArgumentList.Add(path);
    using Process process = Process.Start(start)!;
    process.WaitForExit();
    if (process.ExitCode != 0)
        throw new InvalidOperationException($"The new process ended with {process.ExitCode}.");
}

void Predict(string path)
{
    using TextModel model = TextModel.Load(path);
    foreach (string sentence in sentences)
    {
        var best = model.PredictAllLabels(sentence).Take(3).Select(l => $"{l.Label} {l.Score:P0}");
        Console.WriteLine($"  {sentence}\n    {model.Predict(sentence).PredictedLabel}: {string.Join(", ", best)}");
    }
}
