using System.Diagnostics;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Pretrain;
using Samples;

// Freed memory goes back to the system at once (glibc); the library reads this when it is first used.
Environment.SetEnvironmentVariable("PEFT_MMAP_THRESHOLD", "1048576");

// A language model from nothing: masked-LM pretraining on the sentences of the SDK's API documentation.
string[] questions =
[
    "Gets or sets the [MASK] of the control.",
    "Initializes a new [MASK] of the class.",
    "Reads a sequence of bytes from the current [MASK].",
    "Returns a value that indicates [MASK] the two instances are equal.",
];

const int UsualRows = 12_000;
return new CommandLine(
    "Pretrains a small masked language model from nothing on the API documentation of the .NET SDK, and lets it fill masks.",
    new CommandLineOption("rows", "NUMBER", $"training rows at most ({UsualRows})"))
    .Run(args, values => PretrainOn(values.Number("rows", UsualRows)));

void PretrainOn(int rows)
{
    var clock = Stopwatch.StartNew();
    string folder = AppContext.BaseDirectory;
    DataSplit data = DataSplit.Of(ApiDocs.Load(), rows);
    Console.WriteLine($"{data.Train.Count:N0} texts to train (--rows {rows} is the cap), {data.Validation.Count:N0} to validate.");

    var ml = new MLContext(seed: 1);
    PeftTransformer? model = null;
    IReadOnlyList<TrainingProgress> run = LiveProgress.Show("Pretraining", progress => model = Train(progress));
    using (model)
    {
        foreach (TrainingProgress evaluation in run.Where(step => step.Validation is not null))
            Console.WriteLine($"epoch {evaluation.Epoch}: {string.Join(", ", evaluation.Validation!.Select(metric => $"{metric.Key} {metric.Value:F3}"))}");
        Console.WriteLine($"Loss curve: {LossChart.Save(run, "MaskedAccuracy", "Masked-LM pretraining from scratch", Path.Combine(folder, "pretrain-loss.png"))}");
        ml.Model.SaveAtomically(model!, null, Path.Combine(folder, "pretrained.zip"));
    }
    FillMasks(Path.Combine(folder, "pretrained.zip"));
    Console.WriteLine($"All of it: {clock.Elapsed:m\\:ss} min.");

    PeftTransformer Train(IProgress<TrainingProgress> progress) => ml.Peft().FullFineTune(new FullFineTune.Options
    {
        BaseModel = TinyBert.WriteFolder(Path.Combine(folder, "cache", "tiny-bert")),
        StartFromScratch = true,
        Task = PeftTask.MaskedLanguageModelling(),
        ValidationSet = Texts(data.Validation.Select(row => row.Text)),
        MaxLength = 64,
        Training = new TrainingOptions { MaxEpochs = 3, LearningRate = 2e-3, Progress = progress },
    }).Fit(Texts(data.Train.Select(row => row.Text)));

    IDataView Texts(IEnumerable<string> texts) => ml.Data.LoadFromEnumerable(texts.Select(text => new Sentence { Text = text }));

    void FillMasks(string path)
    {
        ITransformer loaded = ml.Model.Load(path, out _);
        var answers = loaded.Transform(Texts(questions)).GetColumn<string[]>("PredictedTokens");
        foreach (var (question, answer) in questions.Zip(answers))
            Console.WriteLine($"  {question} -> {string.Join(", ", answer)}");
        (loaded as IDisposable)?.Dispose();
    }
}

/// <summary>A row to learn from, or to complete.</summary>
internal sealed class Sentence
{
    public string Text { get; set; } = "";
}
