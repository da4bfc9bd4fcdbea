using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML.Peft.TestSupport;

namespace Samples.Tests;

/// <summary>A CLIP that is trained from nothing in minutes finds icons by names that it has never read.</summary>
[TestClass]
public sealed partial class ClipIconsTests
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(30);

    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(3)]
    public void HeldOutNamesFindTheirIcons(int seed)
    {
        LongTests.Require();
        (double recall, double chance) = Train(seed, "own");
        (double shuffled, _) = Train(seed, "shuffled");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"seed {seed}: recall@10 {recall:f4}, with shuffled captions {shuffled:f4}, by chance {chance:f4}"));
        Assert.IsGreaterThanOrEqualTo(5 * chance, recall);
        Assert.IsGreaterThan(shuffled, recall);
    }

    private static (double Recall, double Chance) Train(int seed, string captions)
    {
        SampleProcess run = SampleProcess.Run(s_limit, "ClipIcons", "--seed", seed.ToString(CultureInfo.InvariantCulture), "--captions", captions);
        Assert.AreEqual(0, run.ExitCode, run.Errors);
        Match found = Recall().Match(run.Output);
        Assert.IsTrue(found.Success, run.Output);
        return (Number(found.Groups[1]), Number(found.Groups[2]));
    }

    private static double Number(Group group) => double.Parse(group.Value, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"recall@10 ([0-9.]+), by chance ([0-9.]+),")]
    private static partial Regex Recall();
}
