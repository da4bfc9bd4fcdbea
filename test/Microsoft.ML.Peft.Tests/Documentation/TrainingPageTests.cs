using Microsoft.ML.Data;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Peft.Tests.Documentation;

/// <summary>The code of docs/training.md compiles, since its lines stand here, and runs, on a model of a few weights.</summary>
[TestClass]
public sealed class TrainingPageTests : IDisposable
{
    private readonly TinyBert _bert = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("training-page-").FullName;
    private readonly MLContext _ml = new(seed: 1);

    private IDataView Rows => _ml.Data.LoadFromEnumerable(Review.Make(40));

    [TestMethod]
    public void TheCodeOfThePageStandsHere() => PageCode.AssertStandsIn(nameof(TrainingPageTests), "docs/training.md");

    [TestMethod]
    public void ARunIsValidatedAndEvaluated()
    {
        double auc = Validate(_ml, _bert.Folder, Rows, Rows, Rows);
        Assert.IsTrue(auc is >= 0.5 and <= 1, $"{auc}");
    }

    [TestMethod]
    public void ARunIsWatchedStoppedAndResumed()
    {
        IDataView train = Review.Load(_ml);
        using var stop = new CancellationTokenSource();
        LoraFineTune.Options Options() => new() { BaseModel = _bert.Folder, Task = PeftTask.TextClassification() };
        LoraFineTune.Options stopped = Options();
        stopped.Training.Progress = new AfterOneStep(stop);
        Stop(_ml, stopped, train, _folder, stop.Token);
        Assert.IsFalse(File.Exists(Path.Combine(_folder, "reviews.zip")));
        Assert.IsNotEmpty(Directory.GetFiles(Path.Combine(_folder, "state")));

        LoraFineTune.Options resumed = Options();
        Watch(_ml, resumed);
        Stop(_ml, resumed, train, _folder, CancellationToken.None);
        Assert.IsTrue(File.Exists(Path.Combine(_folder, "reviews.zip")));
        Assert.IsEmpty(Directory.GetFiles(Path.Combine(_folder, "state")));
        KeepTheBest(_ml, Options(), train);
    }

    [TestMethod]
    public void FoldsAreAveraged() => CrossValidate(_ml, _bert.Folder, Rows);

    [TestMethod]
    public void WordsAreTagged()
    {
        Sentence[] sentences =
        [
            new() { Words = ["the", "very", "good", "film"], Tags = ["O", "B-praise", "I-praise", "O"] },
            new() { Words = ["awful", "book"], Tags = ["O", "O"] },
        ];
        Tag(_ml, _bert.Folder, sentences, sentences);
    }

    public void Dispose()
    {
        _bert.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static double Validate(MLContext ml, string model, IDataView train, IDataView validation, IDataView test)
    {
        var keys = ml.Transforms.Conversion.MapValueToKey("Label").Fit(train);
        var options = new LoraFineTune.Options
        {
            BaseModel = model,
            Task = PeftTask.TextClassification(),
            ValidationSet = keys.Transform(validation),
            Training = new TrainingOptions { MaxEpochs = 10, EarlyStoppingPatience = 2, EarlyStoppingMetric = TrainingMetrics.MacroF1 },
        };
        using PeftTransformer tuned = ml.Peft().Lora(options).Fit(keys.Transform(train));

        Console.WriteLine(tuned.Training);
        foreach (TrainingEpoch epoch in tuned.Training!.History)
            Console.WriteLine(epoch);

        IDataView answers = tuned.Transform(keys.Transform(test));
        MulticlassClassificationMetrics metrics = ml.MulticlassClassification.Evaluate(answers);
        Console.WriteLine($"Accuracy {metrics.MicroAccuracy:F3}, mean recall of the labels {metrics.MacroAccuracy:F3}");
        Console.WriteLine(metrics.ConfusionMatrix.GetFormattedConfusionTable());

        VBuffer<ReadOnlyMemory<char>> names = default;
        answers.Schema["Score"].GetSlotNames(ref names);
        int slot = Array.FindIndex(names.DenseValues().ToArray(), name => name.ToString() == "positive");
        IDataView named = ml.Transforms.Conversion.MapKeyToValue("Truth", "Label").Fit(answers).Transform(answers);
        var ranked = ml.Data.CreateEnumerable<Answer>(named, reuseRowObject: false)
            .Select(answer => new Ranked { Label = answer.Truth == "positive", PredictedLabel = answer.Score[slot] > 0.5f, Score = answer.Score[slot] });
        double auc = ml.BinaryClassification.EvaluateNonCalibrated(ml.Data.LoadFromEnumerable(ranked)).AreaUnderRocCurve;

        return auc;
    }

    private static void Watch(MLContext ml, LoraFineTune.Options options)
    {
        options.Training.Progress = new Printer();
        ml.Log += (_, entry) =>
        {
            if (entry.Kind >= ChannelMessageKind.Info)
                Console.WriteLine(entry.RawMessage);
        };
    }

    private static void Stop(MLContext ml, LoraFineTune.Options options, IDataView train, string folder, CancellationToken stop)
    {
        options.Training.CheckpointFolder = Path.Combine(folder, "state");
        options.Training.CheckpointEverySteps = 200;
        options.Training.CancellationToken = stop;
        try
        {
            using PeftTransformer tuned = ml.Peft().Lora(options).Fit(train);
            ml.Model.SaveAtomically(tuned, train.Schema, Path.Combine(folder, "reviews.zip"));
        }
        catch (OperationCanceledException)
        {
            Console.WriteLine("Stopped. Started again, it goes on from here.");
        }
    }

    private static void KeepTheBest(MLContext ml, LoraFineTune.Options options, IDataView train)
    {
        options.Training.ReturnBestWhenCancelled = true;
        using PeftTransformer tuned = ml.Peft().Lora(options).Fit(train);
        if (tuned.Training!.End == TrainingEnd.Cancelled)
            Console.WriteLine($"Not all of it was learnt. {tuned.Training}");
    }

    private static void CrossValidate(MLContext ml, string model, IDataView rows)
    {
        var pipeline = ml.Transforms.Conversion.MapValueToKey("Label")
            .Append(ml.Peft().Lora(model, PeftTask.TextClassification(), maxEpochs: 1));
        var folds = ml.MulticlassClassification.CrossValidate(rows, pipeline, numberOfFolds: 5);
        Console.WriteLine($"Accuracy {folds.Average(fold => fold.Metrics.MicroAccuracy):F3}");
        foreach (var fold in folds)
            (fold.Model as IDisposable)?.Dispose();
    }

    private static void Tag(MLContext ml, string model, IEnumerable<Sentence> sentences, Sentence[] test)
    {
        var pipeline = ml.Transforms.Conversion.MapValueToKey("Tags")
            .Append(ml.Peft().Lora(model, PeftTask.TokenClassification("Words", "Tags"), maxEpochs: 4))
            .Append(ml.Transforms.Conversion.MapKeyToValue("PredictedLabel"));
        using var tagger = pipeline.Fit(ml.Data.LoadFromEnumerable(sentences));

        IDataView answers = tagger.Transform(ml.Data.LoadFromEnumerable(test));
        Tagged[] tagged = [.. ml.Data.CreateEnumerable<Tagged>(answers, reuseRowObject: false)];
        foreach (var (sentence, answer) in test.Zip(tagged))
            Console.WriteLine($"{string.Join(' ', sentence.Words)}: {string.Join(", ", answer.Spans)}");
        EntityScore entities = TextMetrics.Entities([.. test.Select(s => s.Tags)], [.. tagged.Select(t => t.PredictedLabel)]);
        Console.WriteLine($"F1 of entities {entities.F1:F3}");
    }

    internal static CancellationToken StopAtControlC()
    {
        var stop = new CancellationTokenSource();
        Console.CancelKeyPress += (_, key) =>
        {
            key.Cancel = true;
            stop.Cancel();
        };
        return stop.Token;
    }

    internal sealed class Printer : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            if (value.Step % 50 == 0 || value.Validation is not null)
                Console.WriteLine(value);
        }
    }

    private sealed class AfterOneStep(CancellationTokenSource stop) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => stop.Cancel();
    }

    internal sealed class Answer
    {
        public string Truth { get; set; } = "";

        public float[] Score { get; set; } = [];
    }

    internal sealed class Ranked
    {
        public bool Label { get; set; }

        public bool PredictedLabel { get; set; }

        public float Score { get; set; }
    }

    internal sealed class Sentence
    {
        public string[] Words { get; set; } = [];

        public string[] Tags { get; set; } = [];
    }

    internal sealed class Tagged
    {
        public string[] PredictedLabel { get; set; } = [];

        public string[] Spans { get; set; } = [];
    }
}
