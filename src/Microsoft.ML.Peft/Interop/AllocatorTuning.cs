using System.Runtime.InteropServices;

namespace Microsoft.ML.Peft.Interop;

/// <summary>
/// glibc keeps what libtorch frees; with a fixed mmap threshold, blocks of that size go back to the system at once (peak
/// memory halves, and steps take 15 to 20 % longer where they mostly allocate). It holds for the whole process, so nothing
/// calls this unasked: <c>Hosting.AllocatorSwitch</c> does when the environment says so.
/// </summary>
internal static partial class AllocatorTuning
{
    private const int MmapThreshold = -3;

    // Above this glibc refuses, too: HEAP_MAX_SIZE / 2 on 64-bit machines.
    internal const long LargestThreshold = 32L << 20;

    /// <summary>Sets the threshold; false where the C library is not glibc or refuses. Call it before the first tensor.</summary>
    internal static bool TrySetMmapThreshold(long bytes)
    {
        if (!OperatingSystem.IsLinux() || bytes is < 0 or > LargestThreshold)
            return false;
        try
        {
            // musl has neither libc.so.6 nor mallopt.
            return SetOption(MmapThreshold, (int)bytes) == 1;
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            return false;
        }
    }

    [LibraryImport("libc.so.6", EntryPoint = "mallopt")]
    private static partial int SetOption(int option, int value);
}
