using System.Globalization;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Tests.ChildProcess;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Hosting;

[TestClass]
public sealed class AllocatorSwitchTests
{
    [TestMethod]
    [DataRow("much")]
    [DataRow("-1")]
    [DataRow("1e6")]
    [DataRow("99999999999")]
    public void WhatIsNoSizeIsRefused(string value) =>
        Assert.Contains($"{AllocatorSwitch.Variable} is '{value}'", Assert.ThrowsExactly<ArgumentException>(() => AllocatorSwitch.Set(value)).Message);

    [TestMethod]
    [DataRow(null)]
    [DataRow("")]
    public void UnsetItDoesNothing(string? value) => Assert.IsFalse(AllocatorSwitch.Set(value));

    [TestMethod]
    public void UnsetItIsRecommendedOnce()
    {
        string[] output = FitTwice(null);
        Assert.HasCount(2, output);
        Assert.Contains(AllocatorSwitch.Variable, output[0]);
        Assert.IsLessThan(50, Mapped(output[1]));
    }

    [TestMethod]
    public void SetItMapsLargeBlocksAndRecommendsNothing()
    {
        string[] output = FitTwice("1048576");
        Assert.HasCount(1, output, string.Join(Environment.NewLine, output));
        Assert.IsGreaterThan(90, Mapped(output[0]));
    }

    private static int Mapped(string line) => int.Parse(line, CultureInfo.InvariantCulture);

    private static string[] FitTwice(string? threshold)
    {
        if (!OperatingSystem.IsLinux())
            Assert.Inconclusive("glibc is Linux's.");
        using var bert = new TinyBert();
        return Commands.Child.Run((AllocatorSwitch.Variable, threshold), "fit-twice", bert.Folder);
    }
}
