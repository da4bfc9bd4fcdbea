using System.Diagnostics;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training.Estimates;

/// <summary>Steps over a fraction of a batch, run and measured. They leave gradients, and nothing else.</summary>
internal sealed class ShortSteps
{
    private readonly BatchRunner _runner;
    private readonly TunedModel _model;
    private readonly IReadOnlyList<Example> _batch;
    private readonly bool _checkpointing, _caches, _inPieces;
    private readonly StillParts? _still;
    private readonly int _passes;
    private readonly Device _device;
    private readonly StepGrid _grid;
    private readonly int _length;

    /// <param name="runner">Model and task.</param>
    /// <param name="model">The model.</param>
    /// <param name="batch">The rows that they stand for, as the task prepared them: of a batch, or of a piece of one.</param>
    /// <param name="passes">Passes over them that add up their gradients.</param>
    /// <param name="options">How.</param>
    /// <param name="device">Where the model is.</param>
    /// <param name="inPieces">Whether they are a piece: the steps then are over two of them.</param>
    public ShortSteps(
        BatchRunner runner, TunedModel model, IReadOnlyList<Example> batch, int passes, TrainingSettings options, Device device, bool inPieces = false)
    {
        _inPieces = inPieces;
        (_runner, _model, _passes, _device) = (runner, model, passes, device);
        (_batch, _checkpointing, _caches) = ([.. batch.OrderByDescending(row => row.Length)], options.GradientCheckpointing, runner.CanCache(batch));
        _still = StillParts.Find(runner, batch);
        // A picture has no tokens.
        _length = Math.Max(1, _batch[0].Length);
        _grid = StepGrid.For(batch.Count, _length);
        (int Rows, int Length)[] sizes = [.. _grid.Sizes];
        // What comes with the first pass of all and stays is there then.
        Run(sizes[^1]);
        (AllocationTrace? Trace, double Seconds)[] steps = Array.ConvertAll(sizes, Run);
        Time = new PassTime([.. sizes.Zip(steps, (size, step) => (size.Rows, size.Length, step.Seconds))]);
        if (steps.All(step => step.Trace is not null))
        {
            Traces = [.. steps.Select(step => step.Trace!)];
            Whole = AllocationTrace.From(Traces, (values, isSum) => _grid.At(_batch.Count, _length, values, isSum));
        }
    }

    /// <summary>How long a pass takes, of a piece one without a graph and one with it.</summary>
    public PassTime Time { get; }

    /// <summary>What each of them took and gave back; none where libtorch does not tell.</summary>
    public IReadOnlyList<AllocationTrace> Traces { get; } = [];

    /// <summary>What a step over the whole batch, or over two pieces, takes and gives back.</summary>
    public AllocationTrace Whole { get; } = new([]);

    private (AllocationTrace? Trace, double Seconds) Run((int Rows, int Length) size)
    {
        Example[] rows = ShortRows.Of(_batch, size.Rows, size.Length);
        if (_inPieces)
            (rows, _runner.PieceSize) = ([.. rows, .. rows], rows.Length);
        int[] numbers = [.. Enumerable.Range(0, rows.Length)];
        double share = (double)size.Rows * size.Length / ((long)_batch.Count * _length);
        _model.Trainable.ClearGradients();
        using AllocationRecorder? recorder = AllocationRecorder.Start(_device.type);
        double seconds = Enumerable.Range(0, _passes).Min(pass =>
        {
            IReadOnlyList<Example> learnt = _still?.Answer(rows, rows.Length, CancellationToken.None) ?? rows;
            // The next batch's inputs (pixels) are there while this one is learnt; pieces have theirs.
            using Pending<Batch>? begun = _inPieces ? null : _runner.BeginInputs(learnt, withLabels: true);
            using Batch? ahead = begun?.Finish();
            long start = Stopwatch.GetTimestamp();
            if (_caches)
                _runner.Cache = FeatureCache.Create(_runner, [rows], rows.Length, CancellationToken.None);
            var context = new ForwardContext { Seeds = new DropoutSeeds(pass), Checkpointing = _checkpointing, Share = share };
            _runner.Learn(learnt, learnt, numbers, context);
            if (_device.type == DeviceType.CUDA)
                cuda.synchronize(_device);
            return Stopwatch.GetElapsedTime(start).TotalSeconds / (_inPieces ? 2 : 1);
        });
        return (recorder is null ? null : new AllocationTrace([.. recorder.Events]), seconds);
    }
}
