using Microsoft.Win32.SafeHandles;

namespace Microsoft.ML.Peft.Interop;

/// <summary>Files in the system's temporary folder (TMPDIR) that go with their handle, or with the process however it ends.</summary>
internal static class TemporaryFile
{
    /// <param name="purpose">Part of the name.</param>
    /// <param name="bytes">
    /// Room on the disk that is taken at once, for a file that is to be mapped: a page that finds none would end the process.
    /// </param>
    /// <exception cref="IOException">The folder's disk has no such room.</exception>
    public static SafeFileHandle Create(string purpose, long bytes = 0)
    {
        string path = Path.Combine(Path.GetTempPath(), $"peft-{purpose}-{Guid.NewGuid():N}");
        SafeFileHandle file = File.OpenHandle(
            path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, FileOptions.DeleteOnClose | FileOptions.RandomAccess, bytes);
        // Windows deletes such a file whatever becomes of the process; elsewhere an open file needs no name.
        if (!OperatingSystem.IsWindows())
            File.Delete(path);
        return file;
    }
}
