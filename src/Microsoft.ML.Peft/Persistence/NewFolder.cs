namespace Microsoft.ML.Peft.Persistence;

/// <summary>A folder that appears whole or not at all.</summary>
internal static class NewFolder
{
    /// <exception cref="IOException">The folder exists, or cannot be written.</exception>
    public static void Write(string folder, Action<string> write)
    {
        string target = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        if (Directory.Exists(target) || File.Exists(target))
            throw new IOException($"'{target}' exists already: what is written here is a new folder.");
        string partial = target + ".partial";
        Directory.CreateDirectory(partial);
        try
        {
            write(partial);
            Directory.Move(partial, target);
        }
        catch
        {
            Directory.Delete(partial, recursive: true);
            throw;
        }
    }
}
