using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Estimators;

[TestClass]
public sealed class MlNetInternalsTests
{
    [TestMethod]
    public void ThisVersionHasThemAll() => Assert.IsNull(MlNetInternals.FirstMissing(MlNetInternals.Used));

    [TestMethod]
    public void AMissingOneIsNamed() => Assert.AreEqual(
        "Microsoft.ML.VersionInfo.Gone", MlNetInternals.FirstMissing([("Microsoft.ML.VersionInfo", ".ctor"), ("Microsoft.ML.VersionInfo", "Gone")]));

    /// <summary>What is checked is what the architecture test finds in use.</summary>
    [TestMethod]
    public void TheCheckedOnesAreThoseInUse()
    {
        string list = Path.Combine(RepositoryFolder.Root, "test", "Microsoft.ML.Peft.Tests", "Architecture", "internal-mlnet-members.txt");
        var used = File.ReadLines(list).Where(line => line.Contains("::", StringComparison.Ordinal)).Select(Parse);
        CollectionAssert.AreEquivalent(used.Distinct().ToArray(), MlNetInternals.Used.ToArray());
    }

    /// <summary>"System.Void Some.Type::Member(Arguments)".</summary>
    private static (string Type, string Member) Parse(string line)
    {
        string[] halves = line.Split("::");
        string member = halves[1].Split('(')[0];
        return (halves[0].Split(' ')[^1].Replace('/', '+'), member.StartsWith("get_", StringComparison.Ordinal) ? member[4..] : member);
    }
}
