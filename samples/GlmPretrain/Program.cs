using System.Diagnostics;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Samples;

// Freed memory goes back to the system at once (glibc); the library reads this when it is first used.
Environment.SetEnvironmentVariable("PEFT_MMAP_THRESHOLD", "1048576");

// A GLM from nothing: it learns to fill blanks in the sentences of the SDK's API documentation, and fills some.
string[] questions =
[
    "Gets or sets the [MASK] of the control.",
    "Initializes a new [MASK] class.",
    "Reads a sequence of bytes from the [MASK] and advances the [MASK] by the number of bytes read.",
    "Returns a value that indicates [gMASK]",
];

const int UsualRows = 12_000, Vocabulary = 4000;
return new CommandLine(
    "Pretrains a small GLM from nothing on the API documentation of the .NET SDK, and lets it fill blanks.",
    new CommandLineOption("rows", "NUMBER", $"training rows at most ({UsualRows})"),
    new CommandLineOption("epochs", "NUMBER", "times that every row is seen (4)"),
    new CommandLineOption("texts", "FILE", "further texts, one between two blank lines (tiny-shakespeare's train.txt)"))
    .Run(args, values => Pretrain(values.Number("rows", UsualRows), values.Number("epochs", 4), values.ExistingFile("texts")));

void Pretrain(int rows, int epochs, string? file)
{
    var clock = Stopwatch.StartNew();
    DataSplit data = DataSplit.Of(ApiDocs.Load(), rows);
    string[] train = [.. data.Train.Select(row => row.Text), .. file is null ? [] : File.ReadAllText(file).Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Take(rows)];
    Console.WriteLine($"{train.Length:N0} texts to train, {data.Validation.Count:N0} to validate.");

    // The configuration of a new model, with a vocabulary made of the texts.
    string folder = Path.Combine(AppContext.BaseDirectory, "glm"), start = Path.Combine(folder, "start"), pretrained = Path.Combine(folder, "pretrained");
    if (Directory.Exists(folder))
        Directory.Delete(folder, recursive: true);
    GlmFolder.Create(start, new GlmShape { HiddenSize = 128, Layers = 4, Heads = 4, MaxLength = 64, Dropout = 0 }, train, Vocabulary);

    var ml = new MLContext(seed: 1);
    PeftTransformer? model = null;
    IReadOnlyList<TrainingProgress> run = LiveProgress.Show("Pretraining", progress => model = Train(progress));
    using (model)
    {
        foreach (TrainingProgress evaluation in run.Where(step => step.Validation is not null))
            Console.WriteLine($"epoch {evaluation.Epoch}: {string.Join(", ", evaluation.Validation!.Select(metric => $"{metric.Key} {metric.Value:F3}"))}");
        Console.WriteLine($"Loss curve: {LossChart.Save(run, TrainingMetrics.BlankAccuracy, "GLM from scratch", Path.Combine(folder, "loss.png"))}");
        model!.SaveMergedModel(pretrained);
    }
    Console.WriteLine($"The model, as Hugging Face lays it out: {pretrained}");
    Fill(pretrained);
    Console.WriteLine($"All of it: {clock.Elapsed:m\\:ss} min.");

    PeftTransformer Train(IProgress<TrainingProgress> progress) => ml.Peft().GlmPretrain(new GlmPretrain.Options
    {
        BaseModel = start,
        StartFromScratch = true,
        ValidationSet = Texts(data.Validation.Select(row => row.Text)),
        Training = new TrainingOptions { MaxEpochs = epochs, LearningRate = 1.5e-3, Progress = progress },
    }).Fit(Texts(train));

    void Fill(string path)
    {
        var generation = new GenerationOptions { MaxNewTokens = 16 };
        IDataView asked = Texts(questions);
        using PeftTransformer filler = ml.Peft().ZeroShot(path, PeftTask.FillBlanks(generation: generation)).Fit(asked);
        foreach (var (question, answer) in questions.Zip(filler.Transform(asked).GetColumn<string>("FilledText")))
            Console.WriteLine($"  {question} -> {answer}");
    }

    IDataView Texts(IEnumerable<string> texts) => ml.Data.LoadFromEnumerable(texts.Select(text => new Sentence { Text = text }));
}

/// <summary>A text to learn from, or to fill.</summary>
internal sealed class Sentence
{
    public string Text { get; set; } = "";
}
