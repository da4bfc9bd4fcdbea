using Microsoft.ML.Data;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.Training;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>An epoch of LoRA over sms-spam with rows of like length together, beside random batches padded to their longest.</summary>
internal sealed class EpochBenchmark : IBenchmark
{
    private const int MaxLength = 256;

    public string Name => "epoch-sms-spam";

    public void Run()
    {
        double gflops = GemmPeak.Gflops();
        Epoch(grouped: true, rows: 128);
        double plain = Figure.Median(1, () => Epoch(grouped: false, RealText.Rows.Length));
        double grouped = Figure.Median(1, () => Epoch(grouped: true, RealText.Rows.Length));
        new Figure(Name, plain / grouped, "times the plain loop's rows a second", 2.1, RealText.Rows.Length / plain).Print(gflops);
        new Figure(Name + "/rows", RealText.Rows.Length / grouped, "rows a second", null, RealText.Rows.Length / plain).Print(gflops);
        new Figure(Name + "/real", RealShare(), "of the computed tokens are real", 0.97, null).Print(gflops);
    }

    private static double RealShare()
    {
        TextTokenizer tokenizer = TextTokenizer.Load(RealText.Model);
        int[] lengths = [.. RealText.Rows.Select(row => tokenizer.Encode(row.Text, null, MaxLength).Length)];
        var batches = BatchPlanner.ForEpoch(lengths, new TrainingOptions().BatchSize, groupByLength: true, seed: 1, epoch: 0);
        return lengths.Sum() / (double)batches.Sum(batch => batch.Length * batch.Max(row => lengths[row]));
    }

    private static void Epoch(bool grouped, int rows)
    {
        var ml = new MLContext(seed: 1);
        IDataView data = ml.Data.LoadFromEnumerable(RealText.Rows.Take(rows).Select(row => new Row { Label = row.Label, Text = row.Text }));
        using var model = ml.Transforms.Conversion.MapValueToKey("Label").Append(ml.Peft().Lora(new LoraFineTune.Options
        {
            BaseModel = RealText.Model,
            Task = PeftTask.TextClassification(),
            MaxLength = MaxLength,
            Training = new TrainingOptions { MaxEpochs = 1, GroupByLength = grouped },
        })).Fit(data);
    }

    private sealed class Row
    {
        public string Label { get; set; } = "";

        public string Text { get; set; } = "";
    }
}
