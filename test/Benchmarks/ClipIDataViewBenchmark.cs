using System.Diagnostics;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>200 photographs through IDataView, beside the model alone and the preprocessing's processor time shared out over the cores.</summary>
internal sealed class ClipIDataViewBenchmark : IBenchmark
{
    private const int BatchSize = 32;

    public string Name => "clip-idataview";

    public void Run()
    {
        double gflops = GemmPeak.Gflops();
        using var clip = new ClipFolder();
        var ml = new MLContext(seed: 1);
        Photograph[] rows = [.. Directory.GetFiles(SharedData.Require(SharedData.Data, "flowers"), "*.jpg", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(file => new Photograph { Image = File.ReadAllBytes(file) })];
        IDataView data = ml.Data.LoadFromEnumerable(rows);
        using var transformer = (PeftTransformer)ml.VisionLanguage().ClipImageEmbedder(clip.Folder, batchSize: BatchSize).Fit(data);
        var scorer = (Scorer<float[]>)transformer.Scorer;
        Example[] examples = Read(scorer, data);

        Embed(transformer.Transform(data));
        var rounds = Enumerable.Range(0, 3).Select(_ => (View: Figure.Median(1, () => Embed(transformer.Transform(data))), Alone: Alone(scorer, examples))).OrderBy(round => round.View / round.Alone.Total).ToList();
        var (view, alone) = rounds[1];
        new Figure(Name, view / alone.Total, "times (model + processor time of preprocessing / cores)", 1.05, rows.Length / alone.Total).Print(gflops);
        new Figure(Name + "/photographs", rows.Length / view, "photographs a second", null, rows.Length / alone.Model).Print(gflops);
        new Figure(Name + "/preprocess", rows.Length / alone.Preprocessing, "photographs a second and core", null, null).Print(gflops);
    }

    private static Example[] Read(Scorer<float[]> scorer, IDataView data)
    {
        using DataViewRowCursor cursor = data.GetRowCursor(data.Schema);
        Func<IReadOnlyList<Example>> read = scorer.CreateReader(cursor);
        var examples = new List<Example>();
        while (cursor.MoveNext())
            examples.AddRange(read());
        return [.. examples];
    }

    // Seconds of the model over pixels that are there, and processor seconds of making them.
    private static Parts Alone(Scorer<float[]> scorer, Example[] examples)
    {
        double model = 0;
        TimeSpan before = Process.GetCurrentProcess().TotalProcessorTime, spent = default;
        foreach (Example[] some in examples.Chunk(BatchSize))
        {
            using var scope = NewDisposeScope();
            using var noGradient = inference_mode();
            before = Process.GetCurrentProcess().TotalProcessorTime;
            using Batch batch = scorer.Task.Processor.Collate(some, CPU, withLabels: false);
            spent += Process.GetCurrentProcess().TotalProcessorTime - before;
            model += Figure.Median(1, () =>
            {
                using ModelLease lease = scorer.Host.Enter([AdapterChoice.Active]);
                scorer.Model.Forward(batch, lease.Context()).Dispose();
            });
        }
        return new Parts(model, spent.TotalSeconds);
    }

    private static void Embed(IDataView data)
    {
        foreach (float[] _ in data.GetColumn<float[]>("Embedding"))
        {
        }
    }

    private sealed record Parts(double Model, double Preprocessing)
    {
        public double Total => Model + (Preprocessing / Environment.ProcessorCount);
    }

    private sealed class Photograph
    {
        public byte[] Image { get; set; } = [];
    }
}
