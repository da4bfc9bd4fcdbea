using Microsoft.ML.Peft.Tests.ChildProcess;

namespace Microsoft.ML.Peft.Tests.Hosting;

/// <summary>The process's torch defaults and the caller's gradient modes change nothing. Coexistence runs the same beside ML.NET's own trainers.</summary>
[TestClass]
public sealed class TorchDefaultsTests
{
    [TestMethod]
    public void TheyChangeNothing()
    {
        string[][] lines = [.. Commands.Child.Run("torch-defaults").Select(line => line.Split(": "))];
        Assert.HasCount(8, lines);
        foreach (string[] line in lines)
            Assert.AreEqual(lines[0][1], line[1], line[0]);
    }
}
