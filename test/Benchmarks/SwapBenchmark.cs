using Microsoft.ML.Data;
using Microsoft.ML.Peft.Training;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>Switching between two adapters of one transformer, and what the rows after a switch pay.</summary>
internal sealed class SwapBenchmark : IBenchmark
{
    private const int Switches = 1000;

    public string Name => "swap";

    public void Run()
    {
        double gflops = GemmPeak.Gflops();
        var ml = new MLContext(seed: 1);
        IDataView rows = ml.Data.LoadFromEnumerable(RealText.Rows.Take(32).Select(row => new Row { Label = row.Label, Text = row.Text }));
        IDataView keyed = ml.Transforms.Conversion.MapValueToKey("Label").Fit(rows).Transform(rows);
        using PeftTransformer transformer = ml.Peft().Lora(new LoraFineTune.Options
        {
            BaseModel = RealText.Model,
            Task = PeftTask.TextClassification(),
            Training = new TrainingOptions { MaxSteps = 1 },
        }).Fit(keyed);
        PeftAdapter[] adapters = [transformer.Adapters.Active!, Second(transformer)];

        double each = Figure.Median(5, () => Switch(transformer, adapters, Switches)) / Switches;
        new Figure(Name, each * 1e3, "ms a switch", 1, null).Print(gflops);
        // In turns, so that what else the machine does falls on both.
        double[] more = [.. Enumerable.Range(0, 21).Select(_ => Figure.Median(1, () => ScoreAfter(1)) - Figure.Median(1, () => ScoreAfter(0))).Order()];
        new Figure(Name + "/first-batch", more[more.Length / 2] * 1e3, "ms more for 32 rows after a switch", null, null).Print(gflops);

        void ScoreAfter(int switches)
        {
            Switch(transformer, adapters, switches);
            Score(transformer, keyed);
        }
    }

    private static PeftAdapter Second(PeftTransformer transformer)
    {
        string folder = Path.Combine(Path.GetTempPath(), "peft-swap-" + Guid.NewGuid().ToString("n"));
        try
        {
            transformer.SaveAdapter(folder);
            return transformer.Adapters.Load("second", folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Switch(PeftTransformer transformer, PeftAdapter[] adapters, int times)
    {
        for (int i = 0; i < times; i++)
            transformer.Adapters.Activate(transformer.Adapters.Active == adapters[0] ? adapters[1] : adapters[0]);
    }

    private static void Score(PeftTransformer transformer, IDataView rows)
    {
        if (transformer.Transform(rows).GetColumn<VBuffer<float>>("Score").Count() != 32)
            throw new InvalidOperationException("Rows went missing.");
    }

    private sealed class Row
    {
        public string Label { get; set; } = "";

        public string Text { get; set; } = "";
    }
}
