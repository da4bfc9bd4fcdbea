using System.Globalization;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>What a process holds in memory (Linux).</summary>
internal static class ResidentMemory
{
    /// <summary>Bytes before an action, and the most while it runs.</summary>
    public static (long Before, long Peak) Around(Action action)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        File.WriteAllText("/proc/self/clear_refs", "5");
        long before = Status("VmRSS");
        action();
        return (before, Status("VmHWM"));
    }

    private static long Status(string name) => File.ReadLines("/proc/self/status").Where(line => line.StartsWith(name + ":", StringComparison.Ordinal))
        .Select(line => long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture) << 10).First();
}
