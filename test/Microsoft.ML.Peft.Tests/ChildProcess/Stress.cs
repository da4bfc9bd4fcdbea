using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.ChildProcess;

/// <summary>
/// Threads that open, read, score and close the same things at once, while garbage is collected. What is closed may be refused
/// (ObjectDisposedException) and nothing else: a wrong number is an exception, and memory that is gone ends the process.
/// </summary>
internal static class Stress
{
    /// <summary>ARCHIVE CHECKPOINT SECONDS; prints how often each thing was done.</summary>
    public static void Run(string[] arguments)
    {
        (string archive, string checkpoint) = (arguments[0], arguments[1]);
        var clock = Stopwatch.StartNew();
        var limit = TimeSpan.FromSeconds(double.Parse(arguments[2], CultureInfo.InvariantCulture));
        (string Name, Action Do)[] work =
        [
            ("mapped", () => CloseUnderReaders(checkpoint)),
            ("shared", () => ShareOneBase(Path.GetDirectoryName(checkpoint)!)),
            ("scored", () => DisposeUnderScorers(archive)),
            ("collected", Collect),
        ];
        Task[] tasks = [.. work.Select(item => Task.Factory.StartNew(() => Repeat(item.Name, item.Do, clock, limit), TaskCreationOptions.LongRunning))];
        Task.WaitAll(tasks);
    }

    private static void Repeat(string name, Action action, Stopwatch clock, TimeSpan limit)
    {
        int times = 0;
        for (; clock.Elapsed < limit; times++)
            action();
        Console.WriteLine($"{name} {times}");
    }

    private static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Thread.Sleep(5);
    }

    // Two readers and whoever closes, all at once; every other tensor is left to the collector.
    private static void CloseUnderReaders(string checkpoint)
    {
        SafetensorsFile file = SafetensorsFile.Open(checkpoint);
        string[] names = [.. file.Names.Take(3)];
        using var start = new Barrier(3);
        Task[] readers = [.. Enumerable.Range(0, 2).Select(reader => Task.Run(() =>
        {
            start.SignalAndWait();
            Refusable(() =>
            {
                for (int i = 0; i < 100; i++)
                    CheckFinite(file.Read(names[i % names.Length]), dispose: (i + reader) % 2 == 0);
            });
        }))];
        start.SignalAndWait();
        Thread.SpinWait(Random.Shared.Next(2000));
        file.Dispose();
        Task.WaitAll(readers);
    }

    private static void ShareOneBase(string folder) => Parallel.For(0, 3, _ =>
    {
        using SharedCheckpoint shared = SharedCheckpoint.Acquire(folder, CPU);
        using SharedCheckpoint second = shared.AddReference();
        foreach (string name in second.Names.Take(3))
            CheckFinite(second.Get(name), dispose: false);
    });

    // The transformer goes while threads score with it, and an engine over it is left to the collector.
    private static void DisposeUnderScorers(string archive)
    {
        var context = TestDevice.NewContext();
        ITransformer model = context.Model.Load(archive, out _);
        PredictionEngine<Review, Scores> engine = context.Model.CreatePredictionEngine<Review, Scores>(model);
        Task[] scorers = [.. Enumerable.Range(0, 2).Select(_ => Task.Run(() => Refusable(() =>
        {
            for (int i = 0; i < 3; i++)
                Table.Read(model.Transform(Review.Load(context, 4)), "Score");
        })))];
        Refusable(() => engine.Predict(Review.Make(1)[0]));
        ((IDisposable)model).Dispose();
        Refusable(() => engine.Predict(Review.Make(1)[0]));
        Task.WaitAll(scorers);
    }

    private static void CheckFinite(Tensor tensor, bool dispose)
    {
        using Tensor sum = tensor.to(ScalarType.Float64).sum();
        if (!double.IsFinite(sum.item<double>()))
            throw new InvalidOperationException("A weight is no number.");
        if (dispose)
            tensor.Dispose();
    }

    private static void Refusable(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e.GetBaseException() is ObjectDisposedException)
        {
        }
    }

    private sealed class Scores
    {
        public float[] Score { get; set; } = [];
    }
}
