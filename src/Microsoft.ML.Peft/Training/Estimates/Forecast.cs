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

    private Forecast(TunedModel model, ITrainingObjective task, IReadOnlyList<Example> train, TrainingSettings options, Device device, long seed)
    {
        (_model, _task, _train, _options, _device) = (model, task, train, options, device);
        _plan = new TrainingPlan(options, train, seed, task.LossNeedsWholeBatch);
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
        int[] largest = steps.SelectMany(step => step).MaxBy(rows => (long)rows.Length * LongestOf(rows))!;
        IReadOnlyList<Example> batch = _task.Prepare(Array.ConvertAll(largest, row => _train[row]), new SplitMix64(_plan.Seed));
        // The first pass of a step makes the gradients, those behind it add to them.
        int passes = Math.Min(2, steps.Max(step => step.Length));
        var measured = new ShortSteps(new BatchRunner(_model, _task, _device), _model, batch, passes, _options, _device);
        double seconds = steps.SelectMany(step => step).Sum(rows => measured.Time.Of(rows.Length, LongestOf(rows))) + (steps.Count * UpdateSeconds());
        _model.Trainable.ClearGradients();
        return new TrainingEstimate
        {
            MappedBytes = memory.Mapped,
            WeightBytes = memory.Weights,
            TrainableBytes = memory.Trainable,
            GradientBytes = memory.Gradients,
            OptimizerBytes = memory.Optimizer,
            ActivationBytes = measured.Whole.PeakBesidesKept,
            PeakMemoryBytes = memory.PeakOf(measured.Whole),
            LargestMeasuredBytes = measured.Traces.Select(trace => trace.Peak).DefaultIfEmpty().Max(),
            TimePerEpoch = TimeSpan.FromSeconds(Math.Min(seconds, TimeSpan.MaxValue.TotalSeconds / 2)),
        };
    }

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
