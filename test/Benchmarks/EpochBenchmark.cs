using System.Diagnostics;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.Training;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>An epoch of LoRA over sms-spam with rows of like length together, beside random batches padded to their longest.</summary>
internal sealed class EpochBenchmark : IBenchmark
{
    public string Name => "epoch-sms-spam";

    public void Run()
    {
        double gflops = GemmPeak.Gflops();
        Epoch(grouped: true, rows: 128);
        var (plain, plainLoss) = Epoch(grouped: false, RealText.Rows.Length);
        var (grouped, groupedLoss) = Epoch(grouped: true, RealText.Rows.Length);
        new Figure(Name, plain / grouped, "times the plain loop's rows a second", 2.1, RealText.Rows.Length / plain).Print(gflops);
        new Figure(Name + "/rows", RealText.Rows.Length / grouped, "rows a second", null, RealText.Rows.Length / plain).Print(gflops);
        new Figure(Name + "/real", RealShare(), "of the computed tokens are real", 0.97, null).Print(gflops);
        new Figure(Name + "/loss", groupedLoss, "nats a test row after the epoch", null, plainLoss).Print(gflops);
    }

    private static double RealShare()
    {
        TextTokenizer tokenizer = TextTokenizer.Load(RealText.Model);
        int[] lengths = [.. RealText.Rows.Select(row => tokenizer.Encode(row.Text, null, RealText.MaxLength).Length)];
        var batches = BatchPlanner.ForEpoch(lengths, new TrainingDefaults(LearningRate: 1e-3).BatchSize, groupByLength: true, seed: 1, epoch: 0).SelectMany(parts => parts);
        return lengths.Sum() / (double)batches.Sum(batch => batch.Length * batch.Max(row => lengths[row]));
    }

    // Seconds of an epoch, and the log-loss on the test rows after it.
    private static (double Seconds, double Loss) Epoch(bool grouped, int rows)
    {
        var ml = new MLContext(seed: 1);
        long start = Stopwatch.GetTimestamp();
        using var model = ml.Transforms.Conversion.MapValueToKey("Label").Append(ml.Peft().Lora(new LoraFineTune.Options
        {
            BaseModel = RealText.Model,
            Task = PeftTask.TextClassification(),
            MaxLength = RealText.MaxLength,
            Training = new TrainingOptions { MaxEpochs = 1, LearningRate = 1e-3, GroupByLength = grouped },
        })).Fit(Load(ml, RealText.Rows.Take(rows)));
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return (seconds, ml.MulticlassClassification.Evaluate(model.Transform(Load(ml, RealText.TestRows))).LogLoss);
    }

    private static IDataView Load(MLContext ml, IEnumerable<(string Label, string Text)> rows) =>
        ml.Data.LoadFromEnumerable(rows.Select(row => new Row { Label = row.Label, Text = row.Text }));

    private sealed class Row
    {
        public string Label { get; set; } = "";

        public string Text { get; set; } = "";
    }
}
