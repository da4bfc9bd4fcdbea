using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>Code on a page of the documentation, which compiles because its lines stand in a file of the tests too.</summary>
public static partial class PageCode
{
    // A program of its own, which a test builds as it stands.
    private const string FirstLine = "// Program.cs\n";

    public static void AssertStandsIn(string testClass, string page)
    {
        string here = Lines(File.ReadAllText(RepositoryFolder.Test($"Microsoft.ML.Peft.Tests/Documentation/{testClass}.cs")));
        string[] blocks = [.. Blocks(page, "csharp").Where(code => !code.StartsWith(FirstLine, StringComparison.Ordinal))];
        Assert.IsNotEmpty(blocks, $"{page} has no code; was it read?");
        foreach (string block in blocks)
            StringAssert.Contains(here, Lines(block), $"Code of {page} does not stand in {testClass}.");
    }

    /// <summary>The one complete program of a page.</summary>
    public static string Program(string page) => Blocks(page, "csharp").Single(code => code.StartsWith(FirstLine, StringComparison.Ordinal));

    /// <summary>The one project file of a page, with our package taken in another version from another feed.</summary>
    public static string Project(string page, string version, string feed)
    {
        XDocument project = XDocument.Parse(Blocks(page, "xml").Single());
        project.Descendants("PackageReference").Single(reference => (string?)reference.Attribute("Include") == "Microsoft.ML.Peft").SetAttributeValue("Version", $"[{version}]");
        project.Descendants("RestoreAdditionalProjectSources").Single().Value = feed;
        return project.ToString();
    }

    private static IEnumerable<string> Blocks(string page, string language) =>
        Code().Matches(File.ReadAllText(Path.Combine(RepositoryFolder.Root, page)).ReplaceLineEndings("\n"))
            .Where(block => block.Groups["language"].Value == language).Select(block => block.Groups["code"].Value);

    // Indentation and blank lines differ between the two.
    private static string Lines(string text) => string.Join('\n', text.Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0));

    [GeneratedRegex("```(?<language>\\w*)\n(?<code>.*?)```", RegexOptions.Singleline)]
    private static partial Regex Code();
}
