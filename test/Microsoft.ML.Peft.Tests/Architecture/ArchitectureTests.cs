using System.Xml.Linq;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tests.Packaging;
using Mono.Cecil;

namespace Microsoft.ML.Peft.Tests.Architecture;

[TestClass]
public sealed class ArchitectureTests
{
    private const string Library = "Microsoft.ML.Peft", VisionLanguage = "Microsoft.ML.VisionLanguage";

    // Data is there for the batched view alone.
    private static readonly string[] MayTouchInternals = ["Hosting", "Persistence", "Data"];

    private readonly AssemblyFolder _assemblies = new();

    /// <summary>The committed matrix.</summary>
    internal static Rooms Rooms { get; } = new(File.ReadLines(RepositoryFolder.Test("Microsoft.ML.Peft.Tests/Architecture/rooms.txt")));

    [TestCleanup]
    public void Close() => _assemblies.Dispose();

    [TestMethod]
    public void RoomsNameOnlyWhatTheMatrixAllows()
    {
        using var library = new SourceLibrary(SourceLibrary.Tested(Library), SourceLibrary.Tested(VisionLanguage));
        string[] assemblies = [Library, VisionLanguage];
        SourceType[] types = [.. assemblies.SelectMany(library.TypesOf)];
        Arrow[] arrows = [.. assemblies.SelectMany(library.ArrowsOf)];
        Assert.IsTrue(types.Any(type => type.IsConcrete && type.Files.Single() == Library + "/Models/Gpt2.cs"), "Models were not recognized.");
        Assert.IsTrue(types.Any(type => type.IsConcrete && type.Files.Single() == Library + "/Tasks/ChatTask.cs"), "Tasks were not recognized.");
        var verdict = new Verdict(Rooms, types, arrows);
        AssertNone(verdict.Violations.Select(violation => $"{violation} (rooms.txt)"));
        AssertNone(verdict.Paid.Select(debt => $"{debt} in rooms.txt, but no longer names it: strike the line."));
    }

    [TestMethod]
    public void NoTwoRoomsStandOnEachOther() => Assert.AreEqual("", string.Join(" names ", Rooms.Cycle()));

    [TestMethod]
    public void InternalMembersOfMLNetAreTheCommittedOnes()
    {
        using ModuleDefinition module = _assemblies.ReadTested(Library);
        var used = InternalMembers.UsedBy(module).ToArray();
        new CommittedList(RepositoryFolder.Test("Microsoft.ML.Peft.Tests/Architecture/internal-mlnet-members.txt")).AssertEquals(used.Select(u => u.Member));
    }

    [TestMethod]
    public void InternalMembersOfMLNetAreUsedWhereTheyMayBe()
    {
        using ModuleDefinition module = _assemblies.ReadTested(Library);
        using var library = new SourceLibrary(SourceLibrary.Tested(Library));
        var files = library.TypesOf(Library).ToDictionary(type => type.Name, type => type.Files);
        AssertNone(InternalMembers.UsedBy(module)
            .Where(use => use.User is not null && !files[use.User].All(file => MayTouchInternals.Any(room => file.StartsWith($"{Library}/{room}/", StringComparison.Ordinal))))
            .Select(use => $"{use.User} uses {use.Member}, which is internal to ML.NET."));
    }

    [TestMethod]
    public void InternalMembersAreRecognized()
    {
        using ModuleDefinition core = _assemblies.ReadTested("Microsoft.ML.Core");
        TypeDefinition contracts = core.GetType("Microsoft.ML.Runtime.Contracts"), context = core.GetType("Microsoft.ML.Runtime.IHostEnvironment");
        Assert.IsTrue(InternalMembers.IsInternal(contracts));
        Assert.IsTrue(InternalMembers.IsInternal(contracts.Methods.First(m => m.IsPublic)), "a public method of an internal type");
        Assert.IsFalse(InternalMembers.IsInternal(context));
    }

    [TestMethod]
    public void TheLibraryDoesNotKnowVisionLanguage()
    {
        using ModuleDefinition module = _assemblies.ReadTested(Library);
        Assert.DoesNotContain(VisionLanguage, module.AssemblyReferences.Select(r => r.Name));
        Assert.DoesNotContain(VisionLanguage + ".csproj", ProjectReferences(Library));
        Assert.Contains(Library + ".csproj", ProjectReferences(VisionLanguage));
    }

    private static string[] ProjectReferences(string project)
    {
        string path = Path.Combine(RepositoryFolder.Root, "src", project, project + ".csproj");
        return [.. XDocument.Load(path).Descendants("ProjectReference").Select(r => Path.GetFileName(r.Attribute("Include")!.Value))];
    }

    private static void AssertNone(IEnumerable<string> violations)
    {
        string all = string.Join(Environment.NewLine, violations);
        if (all != "")
            Assert.Fail(all);
    }
}
