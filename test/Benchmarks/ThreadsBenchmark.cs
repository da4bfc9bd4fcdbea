using System.Diagnostics;
using Microsoft.ML.Data;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>Eight threads that score at once, by how many forward passes may run together; all of them is as if there were no limit.</summary>
internal sealed class ThreadsBenchmark : IBenchmark
{
    private const int Threads = 8, Rounds = 3;

    private static readonly int[] s_limits = [1, 2, 4, Threads];

    public string Name => "threads-8";

    public void Run()
    {
        double gflops = GemmPeak.Gflops();
        foreach (var (rows, calls) in new[] { (Rows: 32, Calls: 1), (Rows: 1, Calls: 8) })
        {
            var ml = new MLContext(seed: 1);
            IDataView data = ml.Data.LoadFromEnumerable(RealText.Rows.Take(rows).Select(row => new Row { Text = row.Text }));
            using PeftTransformer transformer = ml.Peft().Embed(RealText.Model).Fit(data);
            Score(transformer, data, 1);
            // In turns, so that what else the machine does falls on all.
            double[][] found = [.. Enumerable.Range(0, Rounds).Select(_ => Array.ConvertAll(s_limits, most => Threads * calls * rows / Together(transformer, data, calls, most)))];
            for (int i = 0; i < s_limits.Length; i++)
                new Figure($"{Name}/{rows}-rows/{s_limits[i]}-at-once", found.Select(round => round[i]).Order().ElementAt(Rounds / 2), "rows a second", null, null).Print(gflops);
        }
    }

    private static double Together(PeftTransformer transformer, IDataView data, int calls, int most)
    {
        transformer.MaxConcurrentForwards = most;
        long start = Stopwatch.GetTimestamp();
        Thread[] threads = [.. Enumerable.Range(0, Threads).Select(_ => new Thread(() => Score(transformer, data, calls)))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static void Score(PeftTransformer transformer, IDataView data, int calls)
    {
        for (int call = 0; call < calls; call++)
            _ = transformer.Transform(data).GetColumn<VBuffer<float>>("Embedding").Count();
    }

    private sealed class Row
    {
        public string Text { get; set; } = "";
    }
}
