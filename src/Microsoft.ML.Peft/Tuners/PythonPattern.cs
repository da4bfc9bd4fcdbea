using System.Text;
using System.Text.RegularExpressions;

namespace Microsoft.ML.Peft.Tuners;

/// <summary>
/// Regular expressions as Python writes them, in .NET's form: the two differ in how they name groups, in <c>\Z</c>, and in what a
/// bracket inside a set of characters means.
/// </summary>
internal static class PythonPattern
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(1);

    /// <summary>Whether a path matches a pattern between two others, which are .NET's.</summary>
    public static Match Match(string path, string before, string pattern, string after) =>
        Regex.Match(path, $"{before}(?:{ToNet(pattern)}){after}", RegexOptions.CultureInvariant, Limit);

    /// <summary>What is wrong with a pattern; null for nothing.</summary>
    public static string? Fault(string pattern)
    {
        try
        {
            _ = new Regex(ToNet(pattern), RegexOptions.CultureInvariant, Limit);
            return null;
        }
        catch (ArgumentException e)
        {
            return e.Message;
        }
    }

    /// <summary>The pattern for .NET.</summary>
    public static string ToNet(string pattern)
    {
        var net = new StringBuilder(pattern.Length);
        int at = 0, set = -1;
        while (at < pattern.Length)
        {
            (string found, string written) = Next(pattern, at, ref set);
            net.Append(written);
            at += found.Length;
        }
        return net.ToString();
    }

    // What stands at a place, and what it becomes; the start of the set of characters that the place lies in is -1 outside.
    private static (string Found, string Written) Next(string pattern, int at, ref int set)
    {
        char c = pattern[at];
        if (c == '\\' && at + 1 < pattern.Length)
            return (pattern.Substring(at, 2), set < 0 && pattern[at + 1] == 'Z' ? @"\z" : pattern.Substring(at, 2));
        if (set >= 0)
        {
            // A bracket that comes first is a character, as everywhere.
            if (c == ']' && at > set + (pattern[set + 1] == '^' ? 2 : 1))
                set = -1;
            return (pattern.Substring(at, 1), c == '[' ? @"\[" : c.ToString());
        }
        if (c == '[')
            set = at;
        const string Named = "(?P<", Back = "(?P=";
        if (string.CompareOrdinal(pattern, at, Named, 0, Named.Length) == 0)
            return (Named, "(?<");
        if (string.CompareOrdinal(pattern, at, Back, 0, Back.Length) == 0 && pattern.IndexOf(')', at) is > 0 and var end)
            return (pattern[at..(end + 1)], $@"\k<{pattern[(at + Back.Length)..end]}>");
        return (c.ToString(), c.ToString());
    }
}
