using Microsoft.ML.Peft.Checkpoints;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>A folder that appears whole or not at all.</summary>
internal static class NewFolder
{
    /// <summary>Writes beside the target, flushes to the disk and renames.</summary>
    /// <param name="folder">The target.</param>
    /// <param name="write">Fills the folder, which still bears another name.</param>
    /// <exception cref="IOException">The folder exists, or cannot be written.</exception>
    public static void Write(string folder, Action<string> write)
    {
        string target = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        if (Directory.Exists(target) || File.Exists(target))
            throw new IOException($"'{target}' exists already: what is written here is a new folder.");
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        using var partial = new PartialPath(target);
        Directory.CreateDirectory(partial.Path);
        write(partial.Path);
        foreach (string file in Directory.EnumerateFiles(partial.Path, "*", SearchOption.AllDirectories))
            Flush(file);
        Directory.Move(partial.Path, target);
    }

    private static void Flush(string file)
    {
        // Whoever checked what was written may still have it mapped.
        using var stream = new FileStream(file, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        stream.Flush(flushToDisk: true);
    }
}
