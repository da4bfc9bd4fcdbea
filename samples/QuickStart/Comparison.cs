using System.Diagnostics;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Samples;
using Spectre.Console;

namespace QuickStart;

/// <summary>Trains by each method on the same rows and measures on the same test rows.</summary>
internal sealed class Comparison(string baseModel, DataSplit data, string folder)
{
    private readonly Table _table = new Table().AddColumns("method", "accuracy", "macro F1", "trained weights", "of all", "seconds");

    /// <summary>Where the LoRA model is saved.</summary>
    public string ModelPath => Path.Combine(folder, "quickstart.zip");

    public void Run()
    {
        AddMajority();
        foreach (Method method in Enum.GetValues<Method>())
            Add(method);
        AnsiConsole.Write(_table);
    }

    private void AddMajority()
    {
        string commonest = data.Train.CountBy(row => row.Label).MaxBy(label => label.Value).Key;
        AddRow("majority class", Score([.. data.Test.Select(_ => commonest)]), 0, 0, TimeSpan.Zero);
    }

    private void Add(Method method)
    {
        var ml = new MLContext(seed: 1);
        var clock = Stopwatch.StartNew();
        ITransformer model = null!;
        IReadOnlyList<TrainingProgress> run = LiveProgress.Show(
            method.ToString(), progress => model = TextModel.Train(ml, method, baseModel, data, progress));
        clock.Stop();
        using PeftTransformer tuned = ((IEnumerable<ITransformer>)model).OfType<PeftTransformer>().Single();
        AddRow(method.ToString(), Score(Predicted(ml, model)), tuned.TrainedWeights, tuned.Weights, clock.Elapsed);
        if (method == Method.Lora)
            Keep(ml, model, run);
    }

    private void Keep(MLContext ml, ITransformer model, IReadOnlyList<TrainingProgress> run)
    {
        TextModel.Save(ml, model, ModelPath);
        Console.WriteLine($"Loss curve: {LossChart.Save(run, "Accuracy", "LoRA, rank 8", Path.Combine(folder, "quickstart-loss.png"))}");
    }

    private string[] Predicted(MLContext ml, ITransformer model) =>
        [.. model.Transform(TextModel.Rows(ml, data.Test)).GetColumn<string>(nameof(TextModel.ModelOutput.PredictedLabel))];

    private Metrics Score(string[] predicted) => Metrics.Of([.. data.Test.Select(row => row.Label)], predicted);

    private void AddRow(string name, Metrics metrics, long trained, long all, TimeSpan time) => _table.AddRow(
        name, $"{metrics.Accuracy:P1}", $"{metrics.MacroF1:F3}", $"{trained:N0}", all == 0 ? "" : $"{(double)trained / all:P2}", $"{time.TotalSeconds:F0}");
}
