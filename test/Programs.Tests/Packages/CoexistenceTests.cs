using Microsoft.ML.Peft.TestSupport;

namespace Programs.Tests.Packages;

/// <summary>One program that uses Microsoft.ML.TorchSharp and this library; inconclusive where that package is not to be had.</summary>
[TestClass, TestCategory("Packaging")]
public sealed class CoexistenceTests
{
    [TestMethod]
    public void BothPackagesWorkInOneProgram()
    {
        string project = RepositoryFolder.Test("Coexistence");
        DotNetCommand.Restore(project);
        // The libraries were built with the tests, which run on them.
        DotNetCommand.Run(project, "build", "--no-restore", "-c", "Release", "-p:BuildProjectReferences=false", "-p:RunAnalyzers=false");
        DotNetCommand.Run(project, "run", "--no-build", "-c", "Release");
    }
}
