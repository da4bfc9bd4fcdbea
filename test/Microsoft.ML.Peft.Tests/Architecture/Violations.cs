using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Emit;
using Microsoft.CodeAnalysis.Text;

namespace Microsoft.ML.Peft.Tests.Architecture;

/// <summary>Made-up source files, compiled as if they lay in rooms of the libraries, and read and judged as these are.</summary>
internal static class Violations
{
    // The libraries' internals are open to an assembly of this name.
    private const string Friend = "Benchmarks";

    private static readonly string[] Libraries = ["Microsoft.ML.Peft", "Microsoft.ML.VisionLanguage"];

    private static readonly Lazy<MetadataReference[]> Loaded = new(() =>
    [
        .. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Where(path => Path.GetFileNameWithoutExtension(path) != Friend).Select(path => MetadataReference.CreateFromFile(path)),
    ]);

    /// <param name="files">Paths below <c>src</c> and their text.</param>
    /// <returns>What the matrix says against them.</returns>
    public static IReadOnlyList<string> Of(params (string Path, string Text)[] files)
    {
        string folder = Directory.CreateTempSubdirectory("violation-").FullName;
        try
        {
            string assembly = Compile(folder, files);
            using var library = new SourceLibrary([.. Libraries.Select(SourceLibrary.Tested), assembly]);
            return new Verdict(ArchitectureTests.Rooms, [.. library.TypesOf(Friend)], [.. library.ArrowsOf(Friend)]).Violations;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Compiles source files as a friend of the libraries; gives the assembly's path.</summary>
    public static string Compile(string folder, params (string Path, string Text)[] files)
    {
        string assembly = Path.Combine(folder, Friend + ".dll");
        var compilation = CSharpCompilation.Create(
            Friend,
            files.Select(file => CSharpSyntaxTree.ParseText(SourceText.From(file.Text, Encoding.UTF8), path: "/made-up/src/" + file.Path)),
            Loaded.Value,
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary));
        using FileStream code = File.Create(assembly), symbols = File.Create(Path.ChangeExtension(assembly, ".pdb"));
        EmitResult result = compilation.Emit(code, symbols, options: new EmitOptions(debugInformationFormat: DebugInformationFormat.PortablePdb));
        Assert.IsTrue(result.Success, string.Join(Environment.NewLine, result.Diagnostics.Where(d => d.Severity == DiagnosticSeverity.Error)));
        return assembly;
    }
}
