using System.Diagnostics;

namespace Microsoft.ML.Peft.Training;

/// <summary>Pace of a run and its progress messages.</summary>
internal sealed class ProgressMeter(TrainingPlan plan, IProgress<TrainingProgress>? callback, ITrainingReporter reporter)
{
    private readonly Stopwatch _clock = new();
    private long _rows;
    private int _steps;

    /// <summary>Evaluations and checkpoints are not part of the pace: the clock runs during steps.</summary>
    public void Start() => _clock.Start();

    public void Stop(int rows)
    {
        _clock.Stop();
        _rows += rows;
        _steps++;
    }

    public void Report(TrainingState state, double loss, double learningRate, IReadOnlyDictionary<string, double>? validation)
    {
        TimeSpan left = _clock.Elapsed / Math.Max(1, _steps) * (plan.TotalSteps - state.Step);
        double pace = _rows / Math.Max(_clock.Elapsed.TotalSeconds, 1e-9);
        var progress = new TrainingProgress(state.Epoch + 1, state.Step, plan.TotalSteps, loss, learningRate, pace, left, validation);
        reporter.Progress(progress);
        callback?.Report(progress);
    }
}
