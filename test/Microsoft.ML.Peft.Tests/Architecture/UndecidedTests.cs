using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Architecture;

/// <summary>A test may leave open what the machine cannot decide, a whole folder that is absent among it; a file that is missing in a folder is a failure.</summary>
[TestClass]
public sealed class UndecidedTests
{
    // Who may, and for what. Everything else goes through SharedData.
    private static readonly Dictionary<string, string> s_reasons = new()
    {
        ["AdamWTests.cs"] = "no native kernels; a measurement that nobody asked for",
        ["AllocatorSwitchTests.cs"] = "no glibc",
        ["DotNetCommand.cs"] = "a foreign package is not to be had",
        ["Families.cs"] = "a family that is not there yet",
        ["GgufFileTests.cs"] = "a measurement that nobody asked for",
        ["InterruptedSaveTests.cs"] = "no mounts, no limits on files",
        ["LargePayloadTests.cs"] = "too small a disk",
        ["LongTests.cs"] = "minutes that nobody asked for",
        ["MeasuredFitTests.cs"] = "no /proc",
        ["NativeBuildTests.cs"] = "no toolchain, or kernels switched off",
        ["NativeFact.cs"] = "no native kernels",
        ["OptimizerTests.cs"] = "no /proc, no setrlimit",
        ["PageBrowser.cs"] = "no browser",
        ["PeftNativeTests.cs"] = "no mallopt",
        ["SanitizerTests.cs"] = "no toolchain",
        ["SharedData.cs"] = "a whole folder is absent, or is somebody's own and may hold a part",
        ["SymbolicLinkTests.cs"] = "no privilege to link",
    };

    [TestMethod]
    public void AnAbsentFolderLeavesATestOpen()
    {
        string absent = Path.Combine(Path.GetTempPath(), $"absent-{Guid.NewGuid():N}");
        Assert.ThrowsExactly<AssertInconclusiveException>(() => SharedData.RequireFolder(absent));
        Assert.ThrowsExactly<AssertInconclusiveException>(() => SharedData.Require(absent, "model.safetensors"));
    }

    [TestMethod]
    public void AMissingFileFailsATest()
    {
        using var scratch = new ScratchFolder();
        var failed = Assert.ThrowsExactly<AssertFailedException>(() => SharedData.Require(scratch.Root, "part", "model.safetensors"));
        StringAssert.Contains(failed.Message, Path.Combine("part", "model.safetensors"));
        Assert.AreEqual(scratch.Folder("part"), SharedData.Require(scratch.Root, "part"));
    }

    [TestMethod]
    public void NoOtherTestLeavesAnythingOpen()
    {
        string[] found = [.. Directory.EnumerateFiles(Path.Combine(RepositoryFolder.Root, "test"), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal) && Path.GetFileName(file) != nameof(UndecidedTests) + ".cs")
            .Where(file => File.ReadAllText(file).Contains("Assert.Inconclusive(", StringComparison.Ordinal))
            .Select(file => Path.GetFileName(file)).Distinct().Order(StringComparer.Ordinal)];
        CollectionAssert.AreEqual(s_reasons.Keys.Order(StringComparer.Ordinal).ToArray(), found, string.Join(", ", found));
    }
}
