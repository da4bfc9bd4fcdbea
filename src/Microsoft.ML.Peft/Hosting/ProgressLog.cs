using Microsoft.ML.Runtime;

namespace Microsoft.ML.Peft.Hosting;

/// <summary>Numbers of a long run for ML.NET's progress trackers.</summary>
internal sealed class ProgressLog : IDisposable
{
    private readonly IProgressChannel _channel;
    private double _epoch, _step, _steps, _loss, _rate;

    public ProgressLog(PeftHost host)
    {
        _channel = host.StartProgress();
        _channel.SetHeader(new ProgressHeader(["loss", "learning rate"], ["epochs", "steps"]), Fill);
    }

    public void Report(int epoch, int step, int steps, double loss, double rate)
    {
        (_epoch, _step, _steps, _loss, _rate) = (epoch, step, steps, loss, rate);
        _channel.Checkpoint(loss, rate, epoch, step);
    }

    public void Dispose() => _channel.Dispose();

    private void Fill(IProgressEntry entry)
    {
        entry.SetProgress(0, _epoch);
        entry.SetProgress(1, _step, _steps);
        entry.SetMetric(0, _loss);
        entry.SetMetric(1, _rate);
    }
}
