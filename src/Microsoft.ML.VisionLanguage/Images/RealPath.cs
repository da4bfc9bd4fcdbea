namespace Microsoft.ML.VisionLanguage.Images;

/// <summary>Paths with their symbolic links followed.</summary>
internal static class RealPath
{
    /// <summary>Where a path really leads, as far as there is anything.</summary>
    public static string Of(string path)
    {
        string full = Path.GetFullPath(path), real = Path.GetPathRoot(full)!;
        foreach (string part in full[real.Length..].Split([Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar], StringSplitOptions.RemoveEmptyEntries))
        {
            string next = Path.Combine(real, part);
            real = new FileInfo(next).ResolveLinkTarget(returnFinalTarget: true) is { } target ? Of(target.FullName) : next;
        }
        return real;
    }

    /// <summary>Whether a real path lies in a real folder, or in one below it.</summary>
    public static bool IsBelow(string path, string folder) =>
        path.StartsWith(Path.EndsInDirectorySeparator(folder) ? folder : folder + Path.DirectorySeparatorChar, OperatingSystem.IsWindows() ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal);
}
