using System.Text.RegularExpressions;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>
/// The name under which a file or folder is written before it gets its own. No two writers share one, and what a killed run left of
/// the same target goes when the next begins: a file beside it, locked as long as its writer lives, tells the two apart.
/// </summary>
internal sealed partial class PartialPath : IDisposable
{
    private const string Suffix = ".partial", LockSuffix = ".lock";

    private readonly FileStream _lock;

    /// <param name="target">The file or folder, in a folder that exists.</param>
    /// <exception cref="IOException">Nothing can be written beside it.</exception>
    public PartialPath(string target)
    {
        string full = System.IO.Path.GetFullPath(target);
        RemoveLeftOvers(System.IO.Path.GetDirectoryName(full)!, System.IO.Path.GetFileName(full));
        Path = $"{full}.{Guid.NewGuid():N}{Suffix}";
        _lock = new FileStream(Path + LockSuffix, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose);
    }

    public string Path { get; }

    /// <summary>Removes what did not get its own name.</summary>
    public void Dispose()
    {
        Remove(Path);
        _lock.Dispose();
    }

    private static void RemoveLeftOvers(string folder, string name)
    {
        if (!Directory.Exists(folder))
            return;
        var found = Directory.EnumerateFileSystemEntries(folder).Select(path => (Path: path, Match: Name().Match(System.IO.Path.GetFileName(path))))
            .Where(entry => entry.Match.Success && entry.Match.Groups["target"].Value == name)
            .Select(entry => System.IO.Path.Combine(folder, name + entry.Match.Groups["rest"].Value)).Distinct().ToList();
        foreach (string partial in found)
            RemoveIfLeft(partial);
    }

    // One that is being written stays, as does what may not be removed: it is never read.
    private static void RemoveIfLeft(string partial)
    {
        try
        {
            using var own = new FileStream(partial + LockSuffix, FileMode.OpenOrCreate, FileAccess.Write, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose);
            Remove(partial);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
        }
    }

    private static void Remove(string path)
    {
        if (Directory.Exists(path))
            Directory.Delete(path, recursive: true);
        else
            File.Delete(path);
    }

    [GeneratedRegex(@"^(?<target>.+)(?<rest>\.[0-9a-f]{32}\.partial)(?:\.lock)?$", RegexOptions.Singleline | RegexOptions.CultureInvariant)]
    private static partial Regex Name();
}
