namespace Samples;

/// <summary>A user's own data: tab-separated, names of the columns in the first line. A row without both texts is left out.</summary>
internal static class TsvFile
{
    /// <exception cref="InvalidDataException">A column is not there; the message lists those that are.</exception>
    public static IReadOnlyList<LabelledText> Read(string path, string textColumn, string labelColumn)
    {
        string[] header = File.ReadLines(path).FirstOrDefault()?.Split('\t') ?? [];
        int text = Find(header, textColumn, path), label = Find(header, labelColumn, path);
        return [.. File.ReadLines(path).Skip(1).Select(line => line.Split('\t'))
            .Where(cells => cells.Length > Math.Max(text, label) && cells[text].Length > 0 && cells[label].Length > 0)
            .Select(cells => new LabelledText(cells[text], cells[label]))];
    }

    private static int Find(string[] header, string name, string path) => Array.IndexOf(header, name) is >= 0 and var index
        ? index
        : throw new InvalidDataException($"{path}: no column '{name}'; there are {string.Join(", ", header)}.");
}
