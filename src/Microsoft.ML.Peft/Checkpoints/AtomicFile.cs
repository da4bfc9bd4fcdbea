namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>Replaces a file by a whole new one, or leaves it as it was.</summary>
internal static class AtomicFile
{
    /// <summary>Writes beside the target, flushes to the disk and renames: a reader sees the old file or the new one.</summary>
    /// <exception cref="IOException">Writing failed; the target is as it was.</exception>
    public static void Replace(string path, Action<Stream> write) => Replace(path, write, _ => { }, Create);

    /// <summary>The same, but what was written is reopened and verified before it is renamed.</summary>
    /// <param name="path">The target.</param>
    /// <param name="write">Writes the new content.</param>
    /// <param name="verify">Reads what was written, and throws when it is not whole.</param>
    /// <param name="create">Creates the file beside; tests let it fail.</param>
    /// <exception cref="IOException">Writing failed; the target is as it was.</exception>
    public static void Replace(string path, Action<Stream> write, Action<Stream> verify, Func<string, FileStream> create)
    {
        using var beside = new PartialPath(path);
        Write(beside.Path, write, create);
        using (FileStream written = File.OpenRead(beside.Path))
            verify(written);
        File.Move(beside.Path, path, overwrite: true);
    }

    /// <summary>Creates a file that is not there.</summary>
    public static FileStream Create(string path) => new(path, FileMode.CreateNew, FileAccess.ReadWrite);

    private static void Write(string path, Action<Stream> write, Func<string, FileStream> create)
    {
        try
        {
            using FileStream stream = create(path);
            write(stream);
            stream.Flush(flushToDisk: true);
        }
        catch (ArgumentOutOfRangeException e)
        {
            // What .NET makes of EFBIG: a file beyond what the file system or a limit allows.
            throw new IOException($"'{path}' cannot be written: {e.Message}", e);
        }
    }
}
