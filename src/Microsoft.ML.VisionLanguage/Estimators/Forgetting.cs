using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.VisionLanguage.Tasks;

namespace Microsoft.ML.VisionLanguage;

/// <summary>Measures a zero-shot task before and after a run, and goes back from what training ended with as far as is best.</summary>
internal sealed class Forgetting : IRunCompanion
{
    private readonly FitRun _run;
    private readonly ClipFineTune.Options _options;
    private readonly ITrainingReporter _reporter;
    private readonly CancellationToken _token;
    private readonly WeightInterpolation? _weights;
    private readonly ZeroShotAccuracy? _zeroShot;
    private readonly RowSet? _pictures;
    private readonly double? _before;

    public Forgetting(FitRun run, ClipFineTune.Options options, ITrainingReporter reporter, CancellationToken token)
    {
        (_run, _options, _reporter, _token) = (run, options, reporter, token);
        try
        {
            _zeroShot = options.ZeroShot?.Open(run, options.ScoringBatchSize, token, out _pictures);
            _before = _zeroShot?.Of(run.Model);
            _weights = options.WiseFt is null ? null : new WeightInterpolation(run.Model.Tuner);
        }
        catch
        {
            Dispose();
            throw;
        }
        if (_zeroShot is null)
            reporter.Warning($"Forgetting is not measured: what the model could do before, it may do less well after the fit. {nameof(ClipFineTune.Options.ZeroShot)} takes a task to measure it by.");
    }

    public TrainingResult Finish(TrainingResult result)
    {
        IReadOnlyList<InterpolationTrial> trials = [];
        double share = 1;
        if (_weights is not null && result.End != TrainingEnd.Cancelled)
            (share, trials) = Choose(_weights, _options.WiseFt!);
        var report = new ForgettingReport
        {
            Share = share,
            ZeroShotBefore = _before,
            ZeroShotAfter = trials.Count > 0 ? trials.First(trial => trial.Share == share).ZeroShot : _zeroShot?.Of(_run.Model),
            Trials = trials,
        };
        _reporter.Info(report.ToString());
        return result with { Forgetting = report };
    }

    public void Dispose()
    {
        _weights?.Dispose();
        _pictures?.Dispose();
    }

    private (double Share, IReadOnlyList<InterpolationTrial> Trials) Choose(WeightInterpolation weights, WiseFtOptions options)
    {
        var runner = new BatchRunner(_run.Model, _run.Task, _run.Device) { PieceSize = _options.Training.MiniBatchSize };
        List<InterpolationTrial> trials = [];
        foreach (double share in options.Shares)
        {
            _token.ThrowIfCancellationRequested();
            weights.Set(share);
            var trial = new InterpolationTrial(share, Evaluator.Run(runner, _run.Validation!, _options.Run.BatchSize), _zeroShot?.Of(_run.Model));
            _reporter.Info(trial.ToString());
            trials.Add(trial);
        }
        // Of equals the one that changes less.
        double best = trials.OrderBy(trial => trial.Share).MaxBy(trial => Worth(trial, options.ZeroShotWeight))!.Share;
        weights.Set(best);
        return (best, trials);
    }

    private static double Worth(InterpolationTrial trial, double weight)
    {
        double recall = (trial.Validation[TrainingMetrics.ImageToTextRecall] + trial.Validation[TrainingMetrics.TextToImageRecall]) / 2;
        return trial.ZeroShot is { } accuracy ? ((1 - weight) * recall) + (weight * accuracy) : recall;
    }
}
