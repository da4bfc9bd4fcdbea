using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML.Peft.TestSupport;

namespace Samples.Tests;

/// <summary>Real photographs and the ResNet-18 that ML.NET's users have today: the figures of docs/clip.md.</summary>
[TestClass]
public sealed partial class FewShotTests
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(15);

    [TestMethod]
    public void FlowersAreToldApart()
    {
        LongTests.Require();
        SampleProcess run = SampleProcess.Run(s_limit, "FewShot", "--data", SharedData.Require(SharedData.Data, "flowers"));
        Assert.AreEqual(0, run.ExitCode, run.Errors);
        Console.WriteLine(run.Output);
        var accuracy = Point().Matches(run.Output).ToDictionary(match => match.Groups[1].Value, match => double.Parse(match.Groups[2].Value, CultureInfo.InvariantCulture));
        CollectionAssert.AreEqual(new[] { "1", "2", "4", "8", "16", "all" }, accuracy.Keys.ToArray());
        // Five classes: 0.2 by chance.
        Assert.IsGreaterThan(0.3, accuracy["1"]);
        Assert.IsGreaterThan(0.7, accuracy["all"]);
        Assert.IsGreaterThan(accuracy["1"], accuracy["16"]);
    }

    [GeneratedRegex("^(\\w+) a class: accuracy ([0-9.]+)", RegexOptions.Multiline)]
    private static partial Regex Point();
}
