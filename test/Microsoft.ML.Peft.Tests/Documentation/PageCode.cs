using System.Text.RegularExpressions;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Documentation;

/// <summary>Code on a page of the documentation, which compiles because its lines stand in a file of the tests too.</summary>
internal static partial class PageCode
{
    public static void AssertStandsIn(string testClass, string page)
    {
        string here = Lines(File.ReadAllText(Path.Combine(
            SharedData.Repository, "test", "Microsoft.ML.Peft.Tests", nameof(Documentation), testClass + ".cs")));
        Match[] blocks = [.. Code().Matches(File.ReadAllText(Path.Combine(SharedData.Repository, page))).Cast<Match>()];
        Assert.IsNotEmpty(blocks, $"{page} has no code; was it read?");
        foreach (Match block in blocks)
            StringAssert.Contains(here, Lines(block.Groups["code"].Value), $"Code of {page} does not stand in {testClass}.");
    }

    // Indentation and blank lines differ between the two.
    private static string Lines(string text) => string.Join('\n', text.Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0));

    [GeneratedRegex("```csharp\n(?<code>.*?)```", RegexOptions.Singleline)]
    private static partial Regex Code();
}
