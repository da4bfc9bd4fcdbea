namespace ChatTuning;

/// <summary>How much memory something takes while it runs.</summary>
internal static class PeakMemory
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    /// <summary>By how many bytes the process grows at the most, mapped files included.</summary>
    public static long Of(Action work)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        long before = Environment.WorkingSet, peak = before;
        using var watch = new Timer(_ => peak = Math.Max(peak, Environment.WorkingSet), null, TimeSpan.Zero, Pause);
        work();
        return peak - before;
    }
}
