using System.Globalization;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>Resident memory that is no file's.</summary>
public static class AnonymousMemory
{
    public static long Now() => !File.Exists("/proc/self/status") ? Environment.WorkingSet : File.ReadLines("/proc/self/status")
        .Where(line => line.StartsWith("RssAnon:", StringComparison.Ordinal))
        .Select(line => long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture) << 10)
        .First();
}
