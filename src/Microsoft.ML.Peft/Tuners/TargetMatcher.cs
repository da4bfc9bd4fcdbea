using System.Globalization;
using System.Text.RegularExpressions;

namespace Microsoft.ML.Peft.Tuners;

/// <summary>Which modules a tuner is for, by PEFT's rules. Patterns are Python's.</summary>
internal static class TargetMatcher
{
    private const string AnyName = "[^.]*";

    /// <summary>A list entry names a module by its whole path or by the end of it.</summary>
    public static bool ByName(string path, IEnumerable<string> names) =>
        names.Any(name => path == name || path.EndsWith("." + name, StringComparison.Ordinal));

    /// <summary>A module, or one that it lies in, has a path that ends in one of the names, be it in the middle of a word.</summary>
    public static bool WithinSuffix(string path, IReadOnlyList<string> names) =>
        Ancestors(path).Any(module => names.Any(name => module.EndsWith(name, StringComparison.Ordinal)));

    /// <summary>The module itself and those that it lies in.</summary>
    public static IEnumerable<string> Ancestors(string path)
    {
        for (int end = path.Length; end > 0; end = path.LastIndexOf('.', end - 1))
            yield return path[..end];
    }

    /// <summary>A pattern matches the path of a module or of one that it lies in, at whole names.</summary>
    public static bool WithinPattern(string path, IEnumerable<string> patterns) =>
        patterns.Any(pattern => PythonPattern.Match(path, @"^(?:|.*\.)", pattern, @"(?:$|\..*)").Success);

    /// <summary>A pattern must match the whole path.</summary>
    public static bool ByPattern(string path, string pattern) =>
        PythonPattern.Match(path, "^", pattern, "$").Success;

    /// <summary>A pattern matches the end of the path, from the beginning of a name on.</summary>
    public static bool ByEnd(string path, string pattern) => PythonPattern.Match(path, @"^(?:.*\.)?", pattern, "$").Success;

    /// <summary>The value whose key (a name or pattern of the path's end) matches first; else the fallback.</summary>
    public static T ByEnd<T>(string path, IReadOnlyDictionary<string, T> patterns, T fallback)
    {
        foreach ((string pattern, T value) in patterns)
        {
            if (ByEnd(path, pattern))
                return value;
        }
        return fallback;
    }

    /// <summary>The number of the layer that a path lies in; null outside the layers.</summary>
    /// <param name="path">The module.</param>
    /// <param name="lists">Names of the list of layers; any name will do if there are none.</param>
    public static int? LayerOf(string path, IReadOnlyList<string> lists)
    {
        IReadOnlyList<string> names = lists.Count > 0 ? lists : [AnyName];
        Match? match = names.Select(name => PythonPattern.Match(path, @"^.*?\.", name, @"\.(?<number>\d+)\.")).FirstOrDefault(m => m.Success);
        return match is null ? null : int.Parse(match.Groups["number"].ValueSpan, provider: CultureInfo.InvariantCulture);
    }

    /// <summary>What the list of the layer that a path lies in is called; null outside the layers.</summary>
    public static string? ListOf(string path) =>
        PythonPattern.Match(path, @"^.*?\.", $"(?<list>{AnyName})", @"\.\d+\.") is { Success: true } match ? match.Groups["list"].Value : null;

    /// <summary>The names nearest to one that matched nothing, for the error message.</summary>
    public static IEnumerable<string> Near(string wanted, IEnumerable<string> paths, int count = 5) => paths
        .Select(path => path[(path.LastIndexOf('.') + 1)..]).Where(end => !int.TryParse(end, out _)).Distinct()
        .OrderBy(end => Distance(wanted, end)).Take(count);

    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0]++;
            for (int j = 1; j <= b.Length; j++)
            {
                int cost = Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                (diagonal, row[j]) = (row[j], cost);
            }
        }
        return row[^1];
    }
}
