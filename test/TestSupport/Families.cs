using System.IO.Enumeration;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>A line of the lists: a pattern of case names and the runner that serves them, or what is to bring one.</summary>
public sealed record Family(string Pattern, string Says, bool IsServed)
{
    public static Family Parse(string line, bool served)
    {
        string[] parts = line.Split(' ', 2, StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return parts.Length == 2 ? new(parts[0], parts[1], served) : throw new InvalidDataException($"'{line}': expected a pattern and what serves or brings it.");
    }

    /// <summary>Whether it speaks of real models.</summary>
    public bool IsOfModels => Pattern.StartsWith(CaseNames.Models + "/", StringComparison.Ordinal);

    public bool Matches(string name) => FileSystemName.MatchesSimpleExpression(Pattern, name, ignoreCase: false);

    public override string ToString() => $"'{Pattern} {Says}'";
}

/// <summary>The two committed lists: every case is in one of them.</summary>
public sealed class Families(IEnumerable<string> served, IEnumerable<string> toCome)
{
    private readonly Family[] _all = [.. Parse(served, true), .. Parse(toCome, false)];

    public static Families Committed { get; } = new(Lines("supported-families.txt"), Lines("unsupported-families.txt"));

    public IEnumerable<Family> All => _all;

    /// <summary>The line that a case goes by.</summary>
    /// <exception cref="InvalidDataException">It is in neither list, or in both.</exception>
    public Family Of(string name)
    {
        Family[] found = [.. _all.Where(family => family.Matches(name))];
        if (found.Length == 0)
            throw new InvalidDataException($"'{name}' is in neither list of families.");
        Family? other = found.FirstOrDefault(family => family.IsServed != found[0].IsServed);
        return other is null ? found[0] : throw new InvalidDataException($"'{name}' is in both lists of families: {found[0]} and {other}.");
    }

    /// <summary>The runner of a case; where it is still to come, the test ends undecided.</summary>
    public string RunnerOf(string name)
    {
        if (name == CaseNames.None)
            Assert.Inconclusive("The folder holds no such case.");
        Family family = Of(name);
        if (!family.IsServed)
        {
            Console.WriteLine($"Not decided: '{name}' comes with {family.Says}.");
            Assert.Inconclusive($"'{name}' comes with {family.Says}.");
        }
        return family.Says;
    }

    /// <summary>Lines by which none of the cases goes.</summary>
    public IEnumerable<Family> Unused(IEnumerable<string> names) => _all.Except(names.Select(Of));

    /// <summary>Fails where a line matches none of the cases.</summary>
    /// <param name="names">The cases.</param>
    /// <param name="concerned">The lines that are looked at.</param>
    public void AssertUsed(IEnumerable<string> names, Func<Family, bool> concerned) =>
        Assert.AreEqual("", string.Join(", ", Unused(names).Where(concerned)), "Lines that match no case.");

    private static IEnumerable<Family> Parse(IEnumerable<string> lines, bool served) =>
        lines.Where(line => line.Length > 0 && line[0] != '#').Select(line => Family.Parse(line, served));

    private static string[] Lines(string file) => File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "Parity", file));
}
