namespace Microsoft.ML.Peft.TestSupport;

/// <summary>Temporary folders in memory, where the system has a place for such, and else on the disk: thousands of small files would wait for it.</summary>
public static class MemoryFolder
{
    private const string Place = "/dev/shm";

    /// <summary>An empty folder, which the caller deletes.</summary>
    public static string Create(string prefix) =>
        Directory.CreateDirectory(Path.Combine(Directory.Exists(Place) ? Place : Path.GetTempPath(), $"{prefix}{Guid.NewGuid():N}")).FullName;
}
