using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.TestSupport;
using Programs.Tests.Memory;

namespace Programs.Tests.ChildProcess;

/// <summary>The commands of <c>Program</c>.</summary>
internal static class Commands
{
    /// <summary>Runs them in a process of their own.</summary>
    public static ChildProgram Child { get; } = new(typeof(Commands).Assembly);

    /// <summary>Merges an adapter into a base that is quantized on the way, and prints the process's megabytes of anonymous memory before and at the peak.</summary>
    public static void MergeQuantized(string[] arguments)
    {
        PeftCatalog peft = TestDevice.NewContext().Peft();
        Nf4Quantize source = peft.Nf4Quantize(arguments[0], doubleQuantization: true);
        long peak = ProcessMemory.Anonymous();
        Console.WriteLine(peak >> 20);
        Task merge = Task.Run(() => peft.MergeAdapter(source, arguments[1], arguments[2]));
        while (!merge.Wait(1))
            peak = Math.Max(peak, ProcessMemory.Anonymous());
        Console.WriteLine(peak >> 20);
    }

    /// <summary>
    /// Fits a small model, then a larger one; prints by how many bytes memory grew from before the second fit to its peak, the line
    /// with the estimate from its log, and what the largest step took that was run for the estimate.
    /// </summary>
    public static void MeasureFit(string[] arguments)
    {
        Func<PeftCatalog, string, FineTuneEstimator> create = EstimateCases.Fits[arguments[0]];
        var context = TestDevice.NewContext(seed: 1);
        string line = "";
        context.Log += (_, e) => line = e.Message.Contains("Estimate: ", StringComparison.Ordinal) ? e.Message : line;
        IDataView data = EstimateCases.Rows(context);
        create(context.Peft(), arguments[1]).Fit(data).Dispose();
        FineTuneEstimator estimator = create(context.Peft(), arguments[2]);
        var (before, peak) = ProcessMemory.Around(() => estimator.Fit(data).Dispose());
        Console.WriteLine(peak - before);
        Console.WriteLine(line);
        Console.WriteLine(estimator.Estimate(data).LargestMeasuredBytes);
    }

    /// <summary>Fits so often, and prints what an epoch was estimated at and what it took, in seconds: FIT MODEL TIMES.</summary>
    public static void TimeFit(string[] arguments)
    {
        var context = TestDevice.NewContext(seed: 1);
        (double estimated, long begun, long ended) = (0, 0, 0);
        context.Log += (_, e) =>
        {
            if (Regex.Match(e.Message, @"([\d.]+) s an epoch") is { Success: true } match)
                (estimated, begun) = (double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture), Stopwatch.GetTimestamp());
            else if (e.Message.Contains(", step ", StringComparison.Ordinal))
                ended = Stopwatch.GetTimestamp();
        };
        IDataView data = EstimateCases.Rows(context, batches: 6);
        for (int i = int.Parse(arguments[2], CultureInfo.InvariantCulture); i > 0; i--)
        {
            EstimateCases.Fits[arguments[0]](context.Peft(), arguments[1]).Fit(data).Dispose();
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{estimated} {Stopwatch.GetElapsedTime(begun, ended).TotalSeconds}"));
        }
    }
}
