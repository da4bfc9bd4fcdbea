using System.Text.RegularExpressions;

namespace Samples.Tests;

/// <summary>From nothing to a model that fills blanks, in one command: a short run of it.</summary>
[TestClass]
public sealed partial class GlmPretrainTests
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(5);

    [TestMethod]
    public void AModelOfNothingFillsBlanks()
    {
        SampleProcess run = SampleProcess.Run(s_limit, "GlmPretrain", "--rows", "200", "--epochs", "1");
        Assert.AreEqual(0, run.ExitCode, run.Errors);
        Console.WriteLine(run.Output);
        Assert.MatchesRegex("epoch 1: Loss .*Perplexity .*BlankAccuracy", run.Output);
        string[] filled = [.. Answer().Matches(run.Output).Select(match => match.Groups[1].Value)];
        Assert.HasCount(4, filled);
        Assert.IsTrue(filled.All(text => !text.Contains("MASK]", StringComparison.Ordinal)), run.Output);
    }

    [GeneratedRegex("^  .*MASK\\].* -> (.*)$", RegexOptions.Multiline)]
    private static partial Regex Answer();
}
