using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Training;

namespace Microsoft.ML.Peft.Estimators;

/// <summary>Brings a run's messages into ML.NET's log, and the context's cancellation into the run.</summary>
internal sealed class HostReporter : ITrainingReporter, IDisposable
{
    private readonly PeftHost _host;
    private readonly RunLog _log;
    private readonly CancellationTokenSource _stop;

    public HostReporter(PeftHost host, CancellationToken caller)
    {
        (_host, _log) = (host, new RunLog(host));
        _stop = CancellationTokenSource.CreateLinkedTokenSource(caller);
    }

    /// <summary>Set by the caller's token, and by the context's cancellation at the next step.</summary>
    public CancellationToken Token => _stop.Token;

    public void Info(string message) => _log.Info(message);

    public void Warning(string message) => _log.Warning(message);

    public void Progress(in TrainingProgress progress)
    {
        if (_host.IsCanceled)
            _stop.Cancel();
        _log.Report(progress.Epoch, progress.Step, progress.TotalSteps, progress.Loss, progress.LearningRate);
        if (progress.Validation is null)
            _log.Trace(progress.ToString());
        else
            _log.Info(progress.ToString());
    }

    public void Dispose()
    {
        _log.Dispose();
        _stop.Dispose();
    }
}
