namespace Samples;

/// <summary>Pictures that lie in a folder for each class.</summary>
internal static class PictureFolder
{
    private static readonly string[] s_endings = [".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp"];

    /// <summary>The user's folder, else the flowers beside the repository.</summary>
    /// <exception cref="FileNotFoundException">It is not there.</exception>
    /// <exception cref="ArgumentException">None is named, and none lies beside the repository.</exception>
    public static string Of(string? named) => named is not null ? CommandLineValues.Existing("--data", named, Directory.Exists)
        : Beside() ?? throw new ArgumentException("Name pictures: --data with a folder that has a folder of pictures for each class.");

    /// <summary>The pictures with the names of their folders.</summary>
    /// <exception cref="InvalidDataException">There are none.</exception>
    public static IReadOnlyList<(string Path, string Label)> Read(string folder)
    {
        (string, string)[] pictures = [.. Directory.GetDirectories(folder).Order(StringComparer.Ordinal).SelectMany(label => Directory.GetFiles(label)
            .Where(file => s_endings.Contains(Path.GetExtension(file).ToLowerInvariant())).Order(StringComparer.Ordinal).Select(file => (file, Path.GetFileName(label))))];
        return pictures.Length > 0 ? pictures : throw new InvalidDataException($"{folder}: no folder in it has a picture ({string.Join(", ", s_endings)}).");
    }

    /// <summary>What kind of file a picture is, by the end of its name.</summary>
    public static string MediaTypeOf(string file) => $"image/{Path.GetExtension(file).TrimStart('.').ToLowerInvariant().Replace("jpg", "jpeg", StringComparison.Ordinal)}";

    private static string? Beside()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Extensions.sln")))
            folder = folder.Parent;
        string found = Path.GetFullPath(Path.Combine(folder?.FullName ?? "", "..", "shared", "data", "flowers"));
        return Directory.Exists(found) ? found : null;
    }
}
