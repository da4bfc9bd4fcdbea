namespace Microsoft.ML.Peft.TestSupport;

/// <summary>The most resident memory that is no file's, looked at twenty times a second.</summary>
public sealed class PeakMemory : IDisposable
{
    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(50);

    private readonly Timer _timer;
    private long _peak = ProcessMemory.Anonymous();

    public PeakMemory() => _timer = new Timer(_ => Interlocked.Exchange(ref _peak, Math.Max(Interlocked.Read(ref _peak), ProcessMemory.Anonymous())), null, s_interval, s_interval);

    public long Stop()
    {
        Dispose();
        return Interlocked.Read(ref _peak);
    }

    public void Dispose() => _timer.Dispose();
}
