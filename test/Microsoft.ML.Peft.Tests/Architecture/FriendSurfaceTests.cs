using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tests.Packaging;
using Mono.Cecil;

namespace Microsoft.ML.Peft.Tests.Architecture;

/// <summary>
/// What other assemblies use of the library that is not public (the tests' example of a user's) is written down: a
/// change of it is a decision.
/// </summary>
[TestClass]
public sealed class FriendSurfaceTests
{
    private const string Library = "Microsoft.ML.Peft";

    private readonly AssemblyFolder _assemblies = new();

    [TestCleanup]
    public void Close() => _assemblies.Dispose();

    [TestMethod]
    [DataRow("UserAssembly", "friend-surface-user.txt")]
    [DataRow("Microsoft.ML.VisionLanguage", "friend-surface-visionlanguage.txt")]
    public void WhatAFriendUsesIsTheCommitted(string friend, string list)
    {
        using ModuleDefinition module = _assemblies.ReadTested(friend);
        new CommittedList(RepositoryFolder.Test("Microsoft.ML.Peft.Tests/Architecture/" + list)).AssertEquals(SurfaceOf(module));
    }

    [TestMethod]
    public void AUseThatIsNotListedFails()
    {
        string folder = Directory.CreateTempSubdirectory("friend-").FullName;
        try
        {
            using ModuleDefinition module = _assemblies.Read(Violations.Compile(folder, ("Microsoft.ML.Peft/Sneaky.cs", """
                internal static class Sneaky
                {
                    internal static object Of(Microsoft.ML.Peft.Checkpoints.HfConfig config) => config.ModelType;
                }
                """)));
            string[] used = [.. SurfaceOf(module)];
            CollectionAssert.AreEquivalent(new[] { "Microsoft.ML.Peft.Checkpoints.HfConfig", "Microsoft.ML.Peft.Checkpoints.HfConfig::get_ModelType" }, used);
            string list = Path.Combine(folder, "list.txt");
            File.WriteAllLines(list, used[..1]);
            Assert.Contains(used[1], Assert.ThrowsExactly<AssertFailedException>(() => new CommittedList(list).AssertEquals(used)).Message);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // Names alone: what a member takes and gives is the compiler's to check.
    private static IEnumerable<string> SurfaceOf(ModuleDefinition friend) => InternalMembers.UsedBy(friend, home => home == Library)
        .Select(use => use.Definition is TypeDefinition type ? type.FullName : $"{use.Definition.DeclaringType.FullName}::{use.Definition.Name}").Distinct();
}
