namespace Samples;

/// <summary>A user's own data: tab-separated, names of the columns in the first line. A row without both texts is left out.</summary>
internal static class TsvFile
{
    /// <exception cref="InvalidDataException">A column is not there (the message lists those that are), or no row has both texts.</exception>
    public static IReadOnlyList<LabelledText> Read(string path, string textColumn, string labelColumn)
    {
        string[] header = File.ReadLines(path).FirstOrDefault()?.Split('\t') ?? [];
        int text = Find(header, textColumn, path), label = Find(header, labelColumn, path);
        LabelledText[] rows = [.. File.ReadLines(path).Skip(1).Select(line => line.Split('\t'))
            .Where(cells => cells.Length > Math.Max(text, label) && cells[text].Length > 0 && cells[label].Length > 0)
            .Select(cells => new LabelledText(cells[text], cells[label]))];
        return rows.Length > 0 ? rows : throw new InvalidDataException($"{path}: no row has both '{textColumn}' and '{labelColumn}'.");
    }

    private static int Find(string[] header, string name, string path) => Array.IndexOf(header, name) is >= 0 and var index
        ? index
        : throw new InvalidDataException($"{path}: no column '{name}'; there are {string.Join(", ", header)}.");
}
