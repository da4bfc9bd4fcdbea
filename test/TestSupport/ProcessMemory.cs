using System.Globalization;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>What this process holds in memory, by Linux's <c>/proc</c>.</summary>
public static class ProcessMemory
{
    private const string Status = "/proc/self/status", Marks = "/proc/self/clear_refs", ForgetPeak = "5";

    /// <summary>Resident bytes that are no file's; all resident ones on other systems.</summary>
    public static long Anonymous() => File.Exists(Status) ? Read("RssAnon") : Environment.WorkingSet;

    /// <summary>Resident bytes before an action, garbage collected, and the most while it runs (Linux alone).</summary>
    public static (long Before, long Peak) Around(Action action)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        File.WriteAllText(Marks, ForgetPeak);
        long before = Read("VmRSS");
        action();
        return (before, Read("VmHWM"));
    }

    private static long Read(string name) => File.ReadLines(Status)
        .Where(line => line.StartsWith(name + ":", StringComparison.Ordinal))
        .Select(line => long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture) << 10)
        .First();
}
