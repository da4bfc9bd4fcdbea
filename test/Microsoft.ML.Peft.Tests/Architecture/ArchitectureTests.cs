using System.Xml.Linq;
using Microsoft.ML.Peft.Tests.Packaging;
using Mono.Cecil;

namespace Microsoft.ML.Peft.Tests.Architecture;

[TestClass]
public sealed class ArchitectureTests
{
    private const string Library = "Microsoft.ML.Peft";

    // Data is there for the batched view alone.
    private static readonly string[] MayTouchInternals = ["Hosting", "Persistence", "Data"];

    private readonly AssemblyFolder _assemblies = new();

    [TestCleanup]
    public void Close() => _assemblies.Dispose();

    [TestMethod]
    public void ArrowsPointDownOnly()
    {
        using ModuleDefinition module = _assemblies.ReadTested(Library);
        Edge[] edges = [.. Edges(module)];
        Assert.IsNotEmpty(edges, "No type names another; was the assembly read?");
        AssertNone(FolderRules.Violations(edges));
        AssertNone(FolderRules.UnknownFolders(edges).Select(f => $"The folder {f} has no place in {nameof(FolderRules)}."));
    }

    [TestMethod]
    public void InternalMembersOfMLNetAreTheCommittedOnes()
    {
        using ModuleDefinition module = _assemblies.ReadTested(Library);
        var used = InternalMembers.UsedBy(module).ToArray();
        new CommittedList(RepositoryFolder.TestFolder("Architecture/internal-mlnet-members.txt")).AssertEquals(used.Select(u => u.Member));
    }

    [TestMethod]
    public void InternalMembersOfMLNetAreUsedWhereTheyMayBe()
    {
        using ModuleDefinition module = _assemblies.ReadTested(Library);
        AssertNone(InternalMembers.UsedBy(module)
            .Where(use => use.User is not null && !MayTouchInternals.Contains(Edge.Folder(use.User)))
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
        Assert.DoesNotContain("Microsoft.ML.VisionLanguage", module.AssemblyReferences.Select(r => r.Name));
        Assert.DoesNotContain("Microsoft.ML.VisionLanguage.csproj", ProjectReferences(Library));
        Assert.Contains(Library + ".csproj", ProjectReferences("Microsoft.ML.VisionLanguage"));
    }

    private static string[] ProjectReferences(string project)
    {
        string path = Path.Combine(RepositoryFolder.Root, "src", project, project + ".csproj");
        return [.. XDocument.Load(path).Descendants("ProjectReference").Select(r => Path.GetFileName(r.Attribute("Include")!.Value))];
    }

    private static IEnumerable<Edge> Edges(ModuleDefinition module)
        => from type in module.Types
           from named in NamedMembers.Of(type).OfType<TypeReference>()
           where AssemblyFolder.Home(named) == Library
           let target = Outermost(named.Resolve())
           where target != type
           select new Edge(type.FullName, target.FullName, IsConcreteModel(target));

    private static TypeDefinition Outermost(TypeDefinition type) => type.DeclaringType is { } outer ? Outermost(outer) : type;

    private static bool IsConcreteModel(TypeDefinition type)
        => Edge.Folder(type.FullName) == "Models" && !type.IsAbstract && Ancestors(type).Any(a => a.FullName == "TorchSharp.torch/nn/Module");

    private static IEnumerable<TypeDefinition> Ancestors(TypeDefinition type)
    {
        for (TypeDefinition? next = type.BaseType?.Resolve(); next is not null; next = next.BaseType?.Resolve())
            yield return next;
    }

    private static void AssertNone(IEnumerable<string> violations)
    {
        string all = string.Join(Environment.NewLine, violations);
        if (all != "")
            Assert.Fail(all);
    }
}
