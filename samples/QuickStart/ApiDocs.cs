using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Samples;

/// <summary>
/// Real text on every machine that builds this: what the .NET SDK's API documentation says, with the second-level namespace
/// (System.IO, Microsoft.AspNetCore, ...) that it says it about.
/// </summary>
internal static partial class ApiDocs
{
    private const int FewestWords = 5;

    // Stands in no documentation.
    private const char NameMark = '\u0001';

    private static readonly string[] s_packs = ["Microsoft.NETCore.App.Ref", "Microsoft.AspNetCore.App.Ref"];

    /// <summary>One row for each different summary; a summary that stands in several namespaces has no right label and is left out.</summary>
    /// <exception cref="DirectoryNotFoundException">No documentation lies beside the runtime.</exception>
    public static IReadOnlyList<LabelledText> Load() => Load(nameMark: "");

    /// <summary>The same rows with marks before names, which <see cref="Words"/> reads.</summary>
    public static IReadOnlyList<LabelledText> LoadWithNames() => Load($"{NameMark}");

    private static IReadOnlyList<LabelledText> Load(string nameMark)
    {
        string[] files = [.. s_packs.SelectMany(FilesOf)];
        if (files.Length == 0)
            throw new DirectoryNotFoundException($"{DotnetRoot()}: no API documentation under packs; it comes with the .NET SDK.");
        return [.. files.SelectMany(file => Read(file, nameMark))
            .GroupBy(row => row.Normalized, StringComparer.Ordinal)
            .Where(same => same.Select(row => row.Label).Distinct().Count() == 1)
            .Select(same => same.First())];
    }

    /// <summary>A word of a summary, and whether it is the name of something in code, to which the summary refers.</summary>
    public static (string Word, bool IsName)[] Words(LabelledText row) =>
        [.. row.Text.Split(' ').Select(word => (word.TrimStart(NameMark), word.StartsWith(NameMark)))];

    /// <summary>The rows of the commonest labels.</summary>
    public static IReadOnlyList<LabelledText> Commonest(IReadOnlyList<LabelledText> rows, int labels)
    {
        HashSet<string> kept = [.. rows.CountBy(row => row.Label).OrderByDescending(l => l.Value).Take(labels).Select(l => l.Key)];
        return [.. rows.Where(row => kept.Contains(row.Label))];
    }

    private static IEnumerable<string> FilesOf(string pack)
    {
        string folder = Path.Combine(DotnetRoot(), "packs", pack);
        if (!Directory.Exists(folder))
            return [];
        string newest = Directory.GetDirectories(folder).MaxBy(path => Version.TryParse(Path.GetFileName(path), out Version? v) ? v : new Version())!;
        return Directory.GetFiles(newest, "*.xml", SearchOption.AllDirectories).Order(StringComparer.Ordinal);
    }

    // The running runtime lies in ROOT/shared/Microsoft.NETCore.App/VERSION.
    private static string DotnetRoot() => Environment.GetEnvironmentVariable("DOTNET_ROOT") is { Length: > 0 } root && Directory.Exists(Path.Combine(root, "packs"))
        ? root
        : Path.GetFullPath(Path.Combine(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "..", "..", ".."));

    private static IEnumerable<LabelledText> Read(string file, string nameMark)
    {
        XElement[] members = [.. XDocument.Load(file).Descendants("member")];
        HashSet<string> types = [.. members.Select(Name).Where(name => name.StartsWith("T:", StringComparison.Ordinal)).Select(name => name[2..])];
        foreach (XElement member in members)
        {
            string text = member.Element("summary") is { } summary ? Plain(summary, nameMark) : "";
            if (IsEnglish(text))
                yield return new LabelledText(text, LabelOf(Name(member), types));
        }
    }

    private static string Name(XElement member) => (string?)member.Attribute("name") ?? "";

    private static string LabelOf(string member, HashSet<string> types)
    {
        string[] parts = member[2..].Split('(')[0].Split('.');
        string two = string.Join('.', parts.Take(2));
        return parts.Length < 2 || types.Contains(two) ? parts[0] : two;
    }

    private static string Plain(XElement summary, string nameMark)
    {
        string text = string.Concat(summary.DescendantNodes().Select(node => node switch
        {
            XText words => words.Value,
            XElement { HasElements: false, Value: "" } reference => LastName(reference, nameMark),
            _ => "",
        }));
        return Spaces().Replace(Qualified().Replace(text, "$1"), " ").Trim();
    }

    // <see cref="M:System.IO.File.Open(System.String)"/> would give the label away; its last name is what a reader sees.
    private static string LastName(XElement reference, string nameMark)
    {
        string target = reference.Attributes().FirstOrDefault()?.Value ?? "";
        return target.Split('(', '`')[0].Split('.', ':').Last() is { Length: > 0 } name ? $" {nameMark}{name} " : " ";
    }

    private static bool IsEnglish(string text) =>
        !text.Contains('_') && text.Split(' ').Count(word => Word().IsMatch(word)) >= FewestWords;

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();

    [GeneratedRegex(@"\b(?:System|Microsoft)(?:\.\w+)*\.(\w+)")]
    private static partial Regex Qualified();

    [GeneratedRegex(@"^[A-Za-z]+[,.;:]?$")]
    private static partial Regex Word();
}
