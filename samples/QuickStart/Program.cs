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

return Arguments.Line.Run(args, values =>
{
    var arguments = new Arguments(values);
    if (arguments.Predict is { } saved)
        Predict(arguments, saved);
    else
        Compare(arguments);
});

void Compare(Arguments arguments)
{
    var clock = Stopwatch.StartNew();
    string folder = AppContext.BaseDirectory;
    var comparison = new Comparison(
        arguments.Model ?? MiniLm.WriteFolder(Path.Combine(folder, "cache", "all-MiniLM-L6-v2")), LoadData(arguments), folder);
    comparison.Run();
    PredictElsewhere(comparison.ModelPath, args);
    Console.WriteLine($"All of it: {clock.Elapsed:m\\:ss} min.");
}

static IReadOnlyList<LabelledText> Rows(Arguments arguments) => arguments.Data is { } path
    ? TsvFile.Read(path, arguments.Text, arguments.Label)
    : ApiDocs.Commonest(ApiDocs.Load(), Labels);

static DataSplit LoadData(Arguments arguments)
{
    IReadOnlyList<LabelledText> rows = Rows(arguments);
    DataSplit split = DataSplit.Of(rows, arguments.Rows);
    string[] labels = [.. rows.Select(row => row.Label).Distinct().Order(StringComparer.Ordinal)];
    Console.WriteLine($"{rows.Count:N0} different texts in {labels.Length} classes ({string.Join(", ", labels)}); used (--rows {arguments.Rows} is the cap): "
        + $"{split.Train.Count:N0} to train, {split.Validation.Count:N0} to validate, {split.Test.Count:N0} to test.");
    return split;
}

// A process of its own: nothing but the file can have carried the model over.
static void PredictElsewhere(string path, string[] args)
{
    Console.WriteLine($"{Path.GetFileName(path)} ({new FileInfo(path).Length / 1e6:F1} MB), loaded by a new process:");
    var start = new ProcessStartInfo(Environment.ProcessPath!);
    if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet")
        start.ArgumentList.Add(typeof(MiniLm).Assembly.Location);
    foreach (string argument in args.Concat(["--predict", path]))
        start.ArgumentList.Add(argument);
    using Process process = Process.Start(start)!;
    process.WaitForExit();
    if (process.ExitCode != 0)
        throw new InvalidOperationException($"The new process ended with {process.ExitCode}.");
}

// One's own data is asked about itself: rows that no training saw.
void Predict(Arguments arguments, string path)
{
    using TextModel model = TextModel.Load(path);
    IEnumerable<LabelledText> asked = arguments.Data is null
        ? sentences.Select(sentence => new LabelledText(sentence, ""))
        : DataSplit.Of(Rows(arguments), arguments.Rows).Test.Take(sentences.Length);
    foreach (LabelledText row in asked)
    {
        var best = model.PredictAllLabels(row.Text).Take(3).Select(l => $"{l.Label} {l.Score:P0}");
        string truth = row.Label.Length == 0 ? "" : $" (labelled {row.Label})";
        Console.WriteLine($"  {row.Text}\n    {model.Predict(row.Text).PredictedLabel}{truth}: {string.Join(", ", best)}");
    }
}
