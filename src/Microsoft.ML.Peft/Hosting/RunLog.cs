using Microsoft.ML.Runtime;

namespace Microsoft.ML.Peft.Hosting;

/// <summary>A long run's messages in one channel, and its numbers for ML.NET's progress trackers.</summary>
internal sealed class RunLog : IDisposable
{
    private readonly IChannel _channel;
    private readonly IProgressChannel _progress;
    private double _epoch, _step, _steps, _loss, _rate;

    public RunLog(PeftHost host)
    {
        (_channel, _progress) = (host.StartChannel(), host.StartProgress());
        _progress.SetHeader(new ProgressHeader(["loss", "learning rate"], ["epochs", "steps"]), Fill);
    }

    public void Report(int epoch, int step, int steps, double loss, double rate)
    {
        (_epoch, _step, _steps, _loss, _rate) = (epoch, step, steps, loss, rate);
        _progress.Checkpoint(loss, rate, epoch, step);
    }

    public void Info(string message) => _channel.Info(MessageSensitivity.Unknown, message);

    public void Warning(string message) => _channel.Warning(MessageSensitivity.Unknown, message);

    public void Trace(string message) => _channel.Trace(MessageSensitivity.Unknown, message);

    public void Dispose()
    {
        _progress.Dispose();
        _channel.Dispose();
    }

    private void Fill(IProgressEntry entry)
    {
        entry.SetProgress(0, _epoch);
        entry.SetProgress(1, _step, _steps);
        entry.SetMetric(0, _loss);
        entry.SetMetric(1, _rate);
    }
}
