using System.Collections.Immutable;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace Microsoft.ML.Peft.Tests.Architecture;

/// <summary>The source files in which an assembly's types are declared, as its symbols (a portable PDB beside it) tell.</summary>
internal static class SourceFiles
{
    // Of types without code, such as interfaces and enumerations: "TypeDefinitionDocuments" of the portable PDB format.
    private static readonly Guid TypeDocuments = new("932E74BC-DBA9-4478-8D46-0F32A7BAB3D3");

    /// <returns>The full name of each outermost type that has a file, with its files below <c>src</c>.</returns>
    public static ILookup<string, string> Read(string assembly)
    {
        using var file = new PEReader(File.ReadAllBytes(assembly).ToImmutableArray());
        using var symbols = MetadataReaderProvider.FromPortablePdbImage(File.ReadAllBytes(Path.ChangeExtension(assembly, ".pdb")).ToImmutableArray());
        MetadataReader types = file.GetMetadataReader(), pdb = symbols.GetMetadataReader();
        return OfCode(types, pdb).Concat(OfDeclarations(pdb))
            .Select(found => (Type: NameOf(types, found.Type), File: BelowSources(pdb.GetString(pdb.GetDocument(found.File).Name))))
            .Where(found => found.File is not null).Distinct()
            .ToLookup(found => found.Type, found => found.File!);
    }

    private static IEnumerable<(TypeDefinitionHandle Type, DocumentHandle File)> OfCode(MetadataReader types, MetadataReader pdb) =>
        from handle in pdb.MethodDebugInformation
        let method = pdb.GetMethodDebugInformation(handle)
        from file in method.Document.IsNil ? method.GetSequencePoints().Select(point => point.Document) : [method.Document]
        where !file.IsNil
        select (types.GetMethodDefinition(handle.ToDefinitionHandle()).GetDeclaringType(), file);

    private static IEnumerable<(TypeDefinitionHandle Type, DocumentHandle File)> OfDeclarations(MetadataReader pdb)
    {
        foreach (CustomDebugInformation entry in pdb.CustomDebugInformation.Select(pdb.GetCustomDebugInformation))
        {
            if (pdb.GetGuid(entry.Kind) != TypeDocuments)
                continue;
            BlobReader rows = pdb.GetBlobReader(entry.Value);
            while (rows.RemainingBytes > 0)
                yield return ((TypeDefinitionHandle)entry.Parent, System.Reflection.Metadata.Ecma335.MetadataTokens.DocumentHandle(rows.ReadCompressedInteger()));
        }
    }

    private static string NameOf(MetadataReader types, TypeDefinitionHandle handle)
    {
        TypeDefinition type = types.GetTypeDefinition(handle);
        if (type.GetDeclaringType() is { IsNil: false } outer)
            return NameOf(types, outer);
        string space = types.GetString(type.Namespace), name = types.GetString(type.Name);
        return space.Length == 0 ? name : $"{space}.{name}";
    }

    // Files that the build makes lie elsewhere.
    private static string? BelowSources(string path)
    {
        string[] parts = path.Split('/', '\\');
        int sources = Array.IndexOf(parts, "src");
        return sources < 0 || parts.Contains("obj") ? null : string.Join('/', parts[(sources + 1)..]);
    }
}
