using System.Globalization;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training;

/// <summary>
/// The one training loop, whatever the task and the tuner. A run is a function of data, options and seed: on one machine the
/// same three give the same bits, interrupted and resumed or not.
/// </summary>
internal sealed class TrainingLoop : IDisposable
{
    /// <summary>An epoch whose mean loss is this many times the lowest one, and not near zero, is worth a warning.</summary>
    private const double CollapseRatio = 1.5, LeastCollapsed = 0.1;

    private readonly TrainingSettings _options;
    private readonly TrainingPlan _plan;
    private IReadOnlyList<Example> _train;
    private IReadOnlyList<Example>? _validation;
    private readonly ITrainingReporter _reporter;
    private readonly BatchRunner _runner;
    private readonly Optimizer _optimizer;
    private readonly BestWeights _best;
    private readonly ModelSelection _selection;
    private readonly Participants _participants;
    private readonly TrainingStep _step;
    private readonly ProgressMeter _meter;
    private readonly TrainingCheckpoint? _checkpoint;
    private TrainingState _state = new();

    private TrainingLoop(
        TunedModel model, ITrainingObjective task, IReadOnlyList<Example> train, IReadOnlyList<Example>? validation,
        TrainingSettings options, Device device, long seed, ITrainingReporter reporter, RunFacts? facts)
    {
        (_train, _validation, _options, _reporter) = (train, validation, options, reporter);
        _plan = new TrainingPlan(options, train, seed, task);
        _runner = new BatchRunner(model, task, device) { PieceSize = options.Given.MiniBatchSize };
        _optimizer = new Optimizer(model.Trainable, options);
        _best = new BestWeights(model.Trainable);
        _selection = new ModelSelection(options.Given, _best, task);
        _participants = Participants.Of(model, task);
        _step = new TrainingStep(_runner, model.Trainable, _optimizer, _participants, options, _plan);
        _meter = new ProgressMeter(_plan, options.Given.Progress, reporter);
        if (options.Given.CheckpointFolder is { } folder)
        {
            string run = (facts ?? new RunFacts()).WithRun(options, seed, model, train, validation).ToJson();
            _checkpoint = new TrainingCheckpoint(folder, run, model.Trainable, _optimizer, _best, _participants);
        }
    }

    /// <summary>Trains a model in place.</summary>
    /// <param name="model">The model; its tuner says what trains.</param>
    /// <param name="task">Loss and metrics.</param>
    /// <param name="train">The rows.</param>
    /// <param name="validation">Rows to evaluate on; null or empty for no evaluation.</param>
    /// <param name="options">How.</param>
    /// <param name="device">Where the model is.</param>
    /// <param name="seed">Decides order, dropout and masks.</param>
    /// <param name="reporter">The log.</param>
    /// <param name="token">Ends the run after the step it is in, besides the options' own token.</param>
    /// <param name="facts">What else decides what is learnt: the method, the task, the base.</param>
    /// <exception cref="ArgumentException">There is nothing to train, or an option does not fit.</exception>
    /// <exception cref="InvalidOperationException">Loss or gradient are no longer finite.</exception>
    /// <exception cref="OperationCanceledException">The run was cancelled, and the options do not ask for what it had, or it had nothing.</exception>
    /// <exception cref="InvalidDataException">The state in the checkpoint folder is damaged or another run's.</exception>
    public static TrainingResult Run(
        TunedModel model, ITrainingObjective task, IReadOnlyList<Example> train, IReadOnlyList<Example>? validation,
        TrainingSettings options, Device device, long seed, ITrainingReporter reporter, CancellationToken token,
        RunFacts? facts = null)
    {
        validation = validation is { Count: > 0 } ? validation : null;
        using IDisposable modes = Gradients.AsByDefault();
        Check(model, task, train, validation is not null, options);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(token, options.Given.CancellationToken);
        using var loop = new TrainingLoop(model, task, train, validation, options, device, seed, reporter, facts);
        TrainingResult result;
        try
        {
            result = loop.Run(linked.Token);
        }
        finally
        {
            loop._optimizer.ClearGradients();
        }
        loop._participants.AfterRun();
        return result;
    }

    public void Dispose()
    {
        _optimizer.Dispose();
        _best.Dispose();
    }

    /// <summary>Refuses a run that cannot be.</summary>
    /// <exception cref="ArgumentException">There is nothing to train, or an option does not fit.</exception>
    internal static void Check(TunedModel model, ITrainingObjective task, IReadOnlyList<Example> train, bool validates, TrainingSettings options)
    {
        options.Validate();
        if (model.Trainable.Count == 0)
            throw new ArgumentException($"The tuner '{model.Tuner.Key}' has nothing to train on this model.");
        // A loss that is no number is not the learning rate's fault then.
        foreach (Parameter parameter in model.Trainable)
            FiniteWeights.Check(parameter.Value, "The weights to train", parameter.Name);
        if (train.Count == 0)
            throw new ArgumentException("The training data has no rows with a label.");
        if (task.LossNeedsWholeBatch && options.Given.GradientAccumulationSteps > 1)
        {
            throw new ArgumentException(
                $"{nameof(TrainingOptions.GradientAccumulationSteps)} is {options.Given.GradientAccumulationSteps}: this loss compares the rows of a batch with each other, and a batch in pieces is another loss. Set {nameof(TrainingOptions.BatchSize)} instead.");
        }
        if (!validates && options.Given.EarlyStoppingPatience is not null)
            throw new ArgumentException($"{nameof(TrainingOptions.EarlyStoppingPatience)} needs a validation set.");
        if (!validates && options.Given.EarlyStoppingMetric is not null)
            throw new ArgumentException($"{nameof(TrainingOptions.EarlyStoppingMetric)} needs a validation set.");
    }

    private TrainingResult Run(CancellationToken token)
    {
        _optimizer.ClearGradients();
        Resume();
        _participants.WeightsChanged();
        Announce();
        if (_runner.CanCache(_train))
            _runner.Cache = FeatureCache.Create(_runner, _validation is null ? [_train] : [_train, _validation], _options.BatchSize, token);
        if (StillParts.Find(_runner, _train) is { } still)
        {
            _train = still.Answer(_train, _options.BatchSize, token);
            _validation = _validation is null ? null : still.Answer(_validation, _options.BatchSize, token);
        }
        while (_state.Step < _plan.TotalSteps && !_selection.HasLostPatience(_state))
        {
            if (!RunEpoch(token))
                return Cancelled(token);
        }
        _checkpoint?.Delete();
        return Finish(_selection.HasLostPatience(_state) ? TrainingEnd.StoppedEarly : TrainingEnd.Completed);
    }

    /// <summary>Runs what is left of an epoch; false when cancelled.</summary>
    private bool RunEpoch(CancellationToken token)
    {
        if (_state.EpochSteps == 0)
            (_state.LossSum, _state.LossCount) = (0, 0);
        int[][][] steps = [.. _plan.Epoch(_state.Epoch).Skip(_state.EpochSteps).Take(_plan.TotalSteps - _state.Step)];
        using IEnumerator<Pending<(double Sum, long Count)>> begun = _step.Begin(_train, steps, _state.Step).OneAhead().GetEnumerator();
        foreach (int[][] batches in steps)
        {
            if (token.IsCancellationRequested)
                return false;
            RunStep(begun, batches);
        }
        WatchLoss();
        _state.History.Add(new TrainingEpoch(_state.Epoch + 1, _state.Step, _state.MeanLoss, _state.Validation));
        (_state.Epoch, _state.EpochSteps, _state.Validation) = (_state.Epoch + 1, 0, null);
        return true;
    }

    private void RunStep(IEnumerator<Pending<(double Sum, long Count)>> begun, int[][] batches)
    {
        double rate = _plan.Schedule.Rate(_state.Step);
        _meter.Start();
        var (sum, count) = _step.Run(begun, batches.Length, _state.Step, rate);
        _meter.Stop(batches.Sum(rows => rows.Length));
        (_state.Step, _state.EpochSteps) = (_state.Step + 1, _state.EpochSteps + 1);
        (_state.LossSum, _state.LossCount) = (_state.LossSum + sum, _state.LossCount + count);
        _meter.Report(_state, sum / Math.Max(1, count), rate, EvaluationIsDue() ? Evaluate() : null);
        if (_state.Step % _options.Given.CheckpointEverySteps == 0)
            _checkpoint?.Save(_state);
    }

    // A run can collapse into a constant answer without ever leaving the finite numbers.
    private void WatchLoss()
    {
        double loss = _state.MeanLoss, lowest = _state.LowestLoss ?? loss;
        if (loss > CollapseRatio * lowest && loss > LeastCollapsed && !_state.HasWarned)
        {
            _state.HasWarned = true;
            _reporter.Warning(Text($"Epoch {_state.Epoch + 1}: the mean training loss rose from {lowest:f4} to {loss:f4}. The run is coming apart: lower the learning rate or lengthen the warm-up."));
        }
        _state.LowestLoss = Math.Min(loss, lowest);
    }

    private bool EvaluationIsDue() => _validation is not null && (_state.Step == _plan.TotalSteps
        || (_state.EpochSteps == _plan.StepsPerEpoch && (_state.Epoch + 1) % _options.Given.EvaluateEvery == 0));

    private Dictionary<string, double> Evaluate()
    {
        Dictionary<string, double> metrics = Evaluator.Run(_runner, _validation!, _options.BatchSize);
        _selection.Judge(_state, metrics);
        _state.Validation = metrics;
        Info($"Epoch {_state.Epoch + 1}, step {_state.Step}: training loss {_state.MeanLoss:f4}, validation {TrainingMetrics.Text(metrics)}.");
        return metrics;
    }

    private void Resume()
    {
        if (_options.Given.Resume && _checkpoint?.Load() is { } state)
        {
            _state = state;
            Info($"Resumed at step {_state.Step} of {_plan.TotalSteps} from {_checkpoint.File}.");
        }
    }

    private void Announce() => Info(
        $"Training on {_train.Count} rows: {_plan.TotalSteps} steps of {_options.BatchSize * _options.Given.GradientAccumulationSteps} rows, {_plan.StepsPerEpoch} an epoch.");

    private TrainingResult Cancelled(CancellationToken token)
    {
        if (_state.Step > 0)
            _checkpoint?.Save(_state);
        if (_state.Step > 0 && _options.Given.ReturnBestWhenCancelled)
            return Finish(TrainingEnd.Cancelled);
        string kept = _state.Step == 0 ? "" : _checkpoint is null
            ? $" {nameof(TrainingOptions.CheckpointFolder)} names no folder, so nothing was kept."
            : $" Its state is in {_checkpoint.File}: the same fit goes on from there.";
        throw new OperationCanceledException(Text($"Training was cancelled at step {_state.Step} of {_plan.TotalSteps}.{kept}"), token);
    }

    private TrainingResult Finish(TrainingEnd end)
    {
        _best.Restore();
        _participants.WeightsChanged();
        var result = new TrainingResult
        {
            End = end,
            Steps = _state.Step,
            Loss = _state.MeanLoss,
            BestStep = _options.Given.KeepBest ? _state.BestStep : null,
            BestMetrics = _state.Best,
            History = _state.History,
        };
        _reporter.Info(result.ToString());
        return result;
    }

    private void Info(FormattableString message) => _reporter.Info(Text(message));

    private static string Text(FormattableString message) => message.ToString(CultureInfo.InvariantCulture);
}
