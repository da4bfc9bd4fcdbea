using Mono.Cecil;

namespace Microsoft.ML.Peft.Tests.Packaging;

/// <summary>Reads assemblies without loading them, and resolves what they name among those that the tests run on.</summary>
internal sealed class AssemblyFolder : IDisposable
{
    private readonly DefaultAssemblyResolver _resolver = new();

    internal AssemblyFolder()
    {
        foreach (string folder in _resolver.GetSearchDirectories())
            _resolver.RemoveSearchDirectory(folder);
        _resolver.AddSearchDirectory(AppContext.BaseDirectory);
    }

    internal ModuleDefinition ReadTested(string name) => Read(Path.Combine(AppContext.BaseDirectory, name + ".dll"));

    internal ModuleDefinition Read(string path)
        => ModuleDefinition.ReadModule(path, new ReaderParameters { AssemblyResolver = _resolver, InMemory = true });

    /// <summary>The name of the assembly that a type, or the type it is built from, lives in.</summary>
    internal static string Home(TypeReference type)
        => type.GetElementType().Scope is AssemblyNameReference assembly ? assembly.Name : type.Module.Assembly.Name.Name;

    public void Dispose() => _resolver.Dispose();
}
