using System.Reflection;
using Microsoft.ML.Peft.TestSupport;
using Mono.Cecil;

namespace Microsoft.ML.Peft.Tests.Packaging;

/// <summary>
/// ML.NET's own Microsoft.ML.TorchSharp was compiled against TorchSharp 0.102; in one program with ours it runs on 0.107.
/// What it names that 0.107 lacks stands in a file: a call of those fails, all the rest binds.
/// </summary>
[TestClass, TestCategory("Packaging")]
public sealed class TorchSharpCoexistenceTests
{
    private const string Package = "Microsoft.ML.TorchSharp", Version = "0.23.1";

    [TestMethod]
    public void WhatMicrosoftMLTorchSharpCannotFindIsKnown()
    {
        using var assemblies = new AssemblyFolder();
        using ModuleDefinition module = assemblies.Read(FindAssembly());
        string[] named = [.. TorchSharpMembers(module).Select(m => m.FullName)];
        Assert.IsGreaterThan(100, named.Length, "The assembly names many members of TorchSharp; were they read?");
        new CommittedList(RepositoryFolder.Test("Microsoft.ML.Peft.Tests/Packaging/unresolved-torchsharp.txt"))
            .AssertEquals(TorchSharpMembers(module).Where(m => !Resolves(m)).Select(m => m.FullName));
    }

    /// <summary>Classes that inherit from TorchSharp's still fit their bases: the run time itself is asked.</summary>
    [TestMethod]
    public void ItsTypesLoadOnOurTorchSharp()
    {
        Assembly assembly = Assembly.LoadFrom(FindAssembly());
        string[] failures = [.. LoadFailures(assembly).Where(e => e is not FileNotFoundException).Select(e => e.Message)];
        Assert.IsEmpty(failures, string.Join(Environment.NewLine, failures));
        Assert.IsNotNull(assembly.GetType("Microsoft.ML.TorchSharp.NasBert.TextClassificationTrainer"));
    }

    private static Exception[] LoadFailures(Assembly assembly)
    {
        try
        {
            assembly.GetTypes();
            return [];
        }
        catch (ReflectionTypeLoadException e)
        {
            return [.. e.LoaderExceptions.OfType<Exception>()];
        }
    }

    private static IEnumerable<MemberReference> TorchSharpMembers(ModuleDefinition module)
        => module.GetTypeReferences().Where(IsTorchSharps)
            .Concat(module.GetMemberReferences().Where(m => IsTorchSharps(m.DeclaringType)));

    private static bool IsTorchSharps(TypeReference type) => AssemblyFolder.Home(type) == "TorchSharp";

    private static bool Resolves(MemberReference member)
    {
        try
        {
            return member.Resolve() is not null;
        }
        catch (AssemblyResolutionException)
        {
            return false;
        }
    }

    private static string FindAssembly()
    {
        string path = Path.Combine(GlobalPackages.Folder(Package, Version), "lib", "net8.0", Package + ".dll");
        if (!File.Exists(path))
            RestorePackage();
        return path;
    }

    private static void RestorePackage()
    {
        using var scratch = new ScratchFolder();
        File.WriteAllText(Path.Combine(scratch.Root, "Scratch.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup><TargetFramework>net8.0</TargetFramework></PropertyGroup>
              <ItemGroup><PackageReference Include="{Package}" Version="{Version}" /></ItemGroup>
            </Project>
            """);
        DotNetCommand.Restore(scratch.Root);
    }
}
