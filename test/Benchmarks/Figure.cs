using System.Diagnostics;
using System.Text.Json;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>Something measured by name.</summary>
internal interface IBenchmark
{
    string Name { get; }

    void Run();
}

/// <summary>One measured figure, printed as a JSON line.</summary>
/// <param name="Name">The benchmark's name, with what was measured behind a slash.</param>
/// <param name="Value">What came out.</param>
/// <param name="Unit">Its unit.</param>
/// <param name="Goal">What it is held against.</param>
/// <param name="Peer">The same of the named peer: from this run, or the share that is recorded of it.</param>
internal sealed record Figure(string Name, double Value, string Unit, double? Goal, double? Peer)
{
    public void Print(double gemmGflops) => Console.WriteLine(JsonSerializer.Serialize(new
    {
        name = Name,
        value = Math.Round(Value, 4),
        unit = Unit,
        goal = Goal,
        peer = Peer,
        peak_rss_mb = PeakMemoryMb(),
        gemm_gflops = Math.Round(gemmGflops, 1),
    }));

    public static double Median(int runs, Action action)
    {
        var seconds = new double[runs];
        for (int i = 0; i < runs; i++)
        {
            long start = Stopwatch.GetTimestamp();
            action();
            seconds[i] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
        Array.Sort(seconds);
        return seconds[runs / 2];
    }

    /// <summary>Bytes a second that all cores read from memory: the best of five sums over 512 MB of floats.</summary>
    public static double ReadBandwidth()
    {
        using Tensor floats = ones(128 << 20);
        double best = Enumerable.Range(0, 5).Min(_ => Median(1, () => floats.sum().Dispose()));
        return floats.numel() * sizeof(float) / best;
    }

    private static long PeakMemoryMb()
    {
        using var process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64 >> 20;
    }
}
