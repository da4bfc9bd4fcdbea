using System.Text.RegularExpressions;

namespace Microsoft.ML.Peft.Tuners;

/// <summary>Which modules a tuner is for, by PEFT's rules.</summary>
internal static class TargetMatcher
{
    private static readonly TimeSpan RegexLimit = TimeSpan.FromSeconds(1);

    /// <summary>A list entry names a module by its whole path or by the end of it.</summary>
    public static bool ByName(string path, IEnumerable<string> names) =>
        names.Any(name => path == name || path.EndsWith("." + name, StringComparison.Ordinal));

    /// <summary>A pattern must match the whole path.</summary>
    public static bool ByPattern(string path, string pattern) =>
        Regex.IsMatch(path, $"^(?:{pattern})$", RegexOptions.CultureInvariant, RegexLimit);

    /// <summary>The value whose key (a name or pattern of the path's end) matches first; else the fallback.</summary>
    public static T ByEnd<T>(string path, IReadOnlyDictionary<string, T> patterns, T fallback)
    {
        foreach ((string pattern, T value) in patterns)
        {
            if (Regex.IsMatch(path, $@"^(?:.*\.)?(?:{pattern})$", RegexOptions.CultureInvariant, RegexLimit))
                return value;
        }
        return fallback;
    }

    /// <summary>The number of the layer that a path lies in; null outside the layers.</summary>
    public static int? LayerOf(string path)
    {
        Match match = Regex.Match(path, @"^.*\.[^.]*\.(\d+)\.", RegexOptions.CultureInvariant, RegexLimit);
        return match.Success ? int.Parse(match.Groups[1].ValueSpan, provider: System.Globalization.CultureInfo.InvariantCulture) : null;
    }

    /// <summary>The names nearest to one that matched nothing, for the error message.</summary>
    public static IEnumerable<string> Near(string wanted, IEnumerable<string> paths, int count = 5) => paths
        .Select(path => path[(path.LastIndexOf('.') + 1)..]).Distinct()
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
