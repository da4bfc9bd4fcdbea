using System.Diagnostics;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training.Estimates;

/// <summary>Works out what a run will take, before it begins: from short steps that it runs. No bit of the run depends on them.</summary>
internal sealed class Forecast
{
    private readonly TunedModel _model;
    private readonly ITrainingObjective _task;
    private readonly TrainingSettings _options;
    private readonly TrainingPlan _plan;
    private readonly IReadOnlyList<Example> _train;
    private readonly Device _device;
    private long _largestMeasured;

    private Forecast(TunedModel model, ITrainingObjective task, IReadOnlyList<Example> train, TrainingSettings options, Device device, long seed)
    {
        (_model, _task, _train, _options, _device) = (model, task, train, options, device);
        _plan = new TrainingPlan(options, train, seed, task);
    }

    /// <param name="model">The model; its tuner says what trains.</param>
    /// <param name="task">The task.</param>
    /// <param name="train">The rows.</param>
    /// <param name="validates">Whether there are rows to evaluate on.</param>
    /// <param name="options">How.</param>
    /// <param name="device">Where the model is.</param>
    /// <param name="seed">Decides the batches.</param>
    /// <param name="heldBefore">What <see cref="ProcessHeap"/> held before the model was opened; null where that is not known.</param>
    public static TrainingEstimate Of(
        TunedModel model, ITrainingObjective task, IReadOnlyList<Example> train, bool validates, TrainingSettings options, Device device, long seed, long? heldBefore)
    {
        TrainingLoop.Check(model, task, train, validates, options);
        try
        {
            return new Forecast(model, task, train, options, device, seed).Make(new RunMemory(model, options, validates, device, heldBefore));
        }
        finally
        {
            model.Trainable.ClearGradients();
        }
    }

    private TrainingEstimate Make(RunMemory memory)
    {
        IReadOnlyList<int[][]> steps = _plan.Epoch(0);
        var runner = new BatchRunner(_model, _task, _device) { PieceSize = _options.Given.MiniBatchSize };
        int[] largest = Largest(steps.SelectMany(step => step));
        var (step, seconds) = runner.RunsInPieces(largest.Length) ? InPieces(runner, largest, steps) : AtOnce(runner, largest, steps);
        seconds += steps.Count * UpdateSeconds();
        _model.Trainable.ClearGradients();
        return new TrainingEstimate
        {
            MappedBytes = memory.Mapped,
            WeightBytes = memory.Weights,
            TrainableBytes = memory.Trainable,
            GradientBytes = memory.Gradients,
            OptimizerBytes = memory.Optimizer,
            ActivationBytes = step.PeakBesidesKept,
            PeakMemoryBytes = memory.PeakOf(step),
            LargestMeasuredBytes = _largestMeasured,
            TimePerEpoch = TimeSpan.FromSeconds(Math.Min(seconds, TimeSpan.MaxValue.TotalSeconds / 2)),
        };
    }

    /// <summary>What the largest step takes, and the seconds of an epoch's passes.</summary>
    private (AllocationTrace Step, double Seconds) AtOnce(BatchRunner runner, int[] largest, IReadOnlyList<int[][]> steps)
    {
        // The first pass of a step makes the gradients, those behind it add to them.
        int passes = Math.Min(2, steps.Max(step => step.Length));
        ShortSteps measured = Measure(new ShortSteps(runner, _model, Prepared(largest), passes, _options, _device));
        return (measured.Whole, steps.SelectMany(step => step).Sum(rows => measured.Time.Of(rows.Length, LongestOf(rows))));
    }

    /// <summary>The same where a batch is run in pieces: two of them, and the loss of all, come one after the other.</summary>
    private (AllocationTrace Step, double Seconds) InPieces(BatchRunner runner, int[] largest, IReadOnlyList<int[][]> steps)
    {
        int size = runner.PieceSize;
        LossOfAnswers loss = LossOfAnswers.Of(runner, Prepared(largest), _device);
        ShortSteps measured = Measure(new ShortSteps(runner, _model, Prepared(Largest(largest.Chunk(size))), passes: 1, _options, _device, inPieces: true));
        double seconds = steps.SelectMany(step => step).Sum(rows => loss.Seconds + rows.Chunk(size).Sum(piece => measured.Time.Of(piece.Length, LongestOf(piece))));
        return (loss.Trace.Then(measured.Whole, loss.Held), seconds);
    }

    private ShortSteps Measure(ShortSteps measured)
    {
        _largestMeasured = measured.Traces.Select(trace => trace.Peak).DefaultIfEmpty().Max();
        return measured;
    }

    private IReadOnlyList<Example> Prepared(int[] rows) => _task.ForTraining(Array.ConvertAll(rows, row => _train[row]), new SplitMix64(_plan.Seed));

    private int[] Largest(IEnumerable<int[]> batches) => batches.MaxBy(rows => (long)rows.Length * LongestOf(rows))!;

    private int LongestOf(int[] rows) => Math.Max(1, rows.Max(row => _plan.Lengths[row]));

    /// <summary>The time of the optimizer and of what comes before it, from one parameter of the usual size and the gradients that are there.</summary>
    private double UpdateSeconds()
    {
        const long MostValues = 1 << 18;
        long start = Stopwatch.GetTimestamp();
        _model.Trainable.GradientNorm();
        double norm = Stopwatch.GetElapsedTime(start).TotalSeconds, values = _model.Trainable.Average(p => (double)p.Value.numel());
        long count = Math.Clamp((long)values, 1, MostValues);
        return norm + (OptimizerTime.Of(_options, count, _device) * _model.Trainable.Count * (values / count));
    }
}
