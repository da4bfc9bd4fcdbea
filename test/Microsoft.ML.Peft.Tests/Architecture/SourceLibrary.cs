using Microsoft.ML.Peft.Tests.Packaging;
using Mono.Cecil;

namespace Microsoft.ML.Peft.Tests.Architecture;

/// <summary>One type names another, or something of another assembly.</summary>
/// <param name="From">The type that names.</param>
/// <param name="To">The type that is named.</param>
/// <param name="Assembly">Where the named type comes from, when it is none of the libraries'; else null.</param>
internal sealed record Arrow(SourceType From, SourceType To, string? Assembly);

/// <summary>A type with the files below <c>src</c> that declare it.</summary>
/// <param name="Name">Its full name.</param>
/// <param name="Files">The files.</param>
/// <param name="IsConcrete">Whether its file declares a model or a task that can be made.</param>
internal sealed record SourceType(string Name, IReadOnlyCollection<string> Files, bool IsConcrete);

/// <summary>Compiled assemblies with their sources' paths: what their types name.</summary>
internal sealed class SourceLibrary : IDisposable
{
    private static readonly string[] Concrete = ["Microsoft.ML.Peft.Models.PretrainedModel", "Microsoft.ML.Peft.PeftTask"];

    private static readonly string[] Generated = ["CompilerGeneratedAttribute", "GeneratedCodeAttribute"];

    private readonly AssemblyFolder _folder = new();
    private readonly ModuleDefinition[] _modules;
    private readonly Dictionary<string, SourceType> _types = [];

    /// <param name="assemblies">Their paths, each with its symbols beside it.</param>
    public SourceLibrary(params string[] assemblies)
    {
        _modules = [.. assemblies.Select(_folder.Read)];
        var files = assemblies.Zip(_modules).SelectMany(pair => SourceFiles.Read(pair.First)
            .Select(found => (Type: pair.Second.GetType(found.Key), Files: found.ToArray()))).Where(found => !IsGenerated(found.Type)).ToArray();
        var concrete = files.Where(found => found.Files.Length == 1 && IsConcrete(found.Type)).Select(found => found.Files[0]).ToHashSet();
        foreach (var (type, places) in files)
            _types[KeyOf(type)] = new SourceType(type.FullName, places, places.Length == 1 && concrete.Contains(places[0]));
    }

    /// <summary>The path of an assembly of the tests.</summary>
    public static string Tested(string name) => Path.Combine(AppContext.BaseDirectory, name + ".dll");

    /// <summary>What the types of an assembly name.</summary>
    public IEnumerable<Arrow> ArrowsOf(string assembly)
        => from type in Module(assembly).Types
           where !IsGenerated(type)
           let found = _types.GetValueOrDefault(KeyOf(type), Unplaced(type))
           from named in NamedMembers.Of(type).OfType<TypeReference>().DistinctBy(named => (AssemblyFolder.Home(named), named.FullName))
           let arrow = ArrowTo(found, type, named)
           where arrow is not null
           select arrow;

    /// <summary>The types of an assembly that people wrote.</summary>
    public IEnumerable<SourceType> TypesOf(string assembly) =>
        Module(assembly).Types.Where(type => !IsGenerated(type)).Select(type => _types.GetValueOrDefault(KeyOf(type), Unplaced(type)));

    public void Dispose()
    {
        Array.ForEach(_modules, module => module.Dispose());
        _folder.Dispose();
    }

    private ModuleDefinition Module(string assembly) => _modules.Single(module => module.Assembly.Name.Name == assembly);

    private Arrow? ArrowTo(SourceType from, TypeDefinition type, TypeReference named)
    {
        string home = AssemblyFolder.Home(named);
        if (_modules.All(module => module.Assembly.Name.Name != home))
            return new Arrow(from, new SourceType(named.FullName, [], IsConcrete: false), home);
        TypeDefinition target = Outermost(Resolve(named, home));
        return target == type || IsGenerated(target) ? null : new Arrow(from, _types.GetValueOrDefault(KeyOf(target), Unplaced(target)), null);
    }

    private TypeDefinition Resolve(TypeReference named, string home) =>
        Module(home).GetType(named.FullName) ?? throw new InvalidDataException($"{home} has no type {named.FullName}.");

    private static SourceType Unplaced(TypeDefinition type) => new(type.FullName, [], IsConcrete: false);

    private static string KeyOf(TypeDefinition type) => $"{type.Module.Assembly.Name.Name}: {type.FullName}";

    private static TypeDefinition Outermost(TypeDefinition type) => type.DeclaringType is { } outer ? Outermost(outer) : type;

    // Closures' arrays, regular expressions, attributes that the compiler adds.
    private static bool IsGenerated(TypeDefinition type) => type.Name.StartsWith('<')
        || type.CustomAttributes.Any(attribute => Generated.Contains(attribute.AttributeType.Name));

    private static bool IsConcrete(TypeDefinition type) => !type.IsAbstract && Ancestors(type).Any(Concrete.Contains);

    private static IEnumerable<string> Ancestors(TypeDefinition type)
    {
        for (TypeReference? next = type.BaseType; next is not null; next = next.Resolve().BaseType)
            yield return next.GetElementType().FullName;
    }
}
