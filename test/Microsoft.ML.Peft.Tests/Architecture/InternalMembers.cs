using Microsoft.ML.Peft.Tests.Packaging;
using Mono.Cecil;

namespace Microsoft.ML.Peft.Tests.Architecture;

/// <summary>One use of something that is not public in the ML.NET assemblies that the tests run on.</summary>
/// <param name="User">The full name of the type that uses it; null where an attribute of the assembly does.</param>
/// <param name="Member">The full name of the type or member.</param>
internal readonly record struct InternalUse(string? User, string Member);

internal static class InternalMembers
{
    internal static IEnumerable<InternalUse> UsedBy(ModuleDefinition module) =>
        UsedBy(module, home => home.StartsWith("Microsoft.ML", StringComparison.Ordinal)).Select(use => new InternalUse(use.User, use.Definition.FullName)).Distinct();

    /// <summary>What a module uses of other assemblies that is not public there.</summary>
    /// <param name="module">The module.</param>
    /// <param name="isAsked">Tells the assemblies in question by their names.</param>
    internal static IEnumerable<(string? User, IMemberDefinition Definition)> UsedBy(ModuleDefinition module, Predicate<string> isAsked)
    {
        var uses = module.Types.SelectMany(type => NamedMembers.Of(type).Select(m => (User: (string?)type.FullName, Member: m)))
            .Concat(NamedMembers.OfAttributes(module.Assembly).Select(m => (User: (string?)null, Member: m)));
        return uses
            .Where(use => HomeOf(use.Member) is var home && home != module.Assembly.Name.Name && isAsked(home))
            .Select(use => (use.User, Definition: Resolve(use.Member)))
            .Where(use => IsInternal(use.Definition));
    }

    /// <summary>Neither public nor protected, or within something that is not.</summary>
    internal static bool IsInternal(IMemberDefinition member) => !IsVisible(member)
        || (member.DeclaringType is { } outer && IsInternal(outer));

    private static bool IsVisible(IMemberDefinition member) => member switch
    {
        TypeDefinition type => type.IsPublic || type.IsNestedPublic || type.IsNestedFamily || type.IsNestedFamilyOrAssembly,
        MethodDefinition method => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly,
        FieldDefinition field => field.IsPublic || field.IsFamily || field.IsFamilyOrAssembly,
        _ => throw new ArgumentException($"{member.FullName} is neither a type, a method nor a field.", nameof(member)),
    };

    private static string HomeOf(MemberReference member) => AssemblyFolder.Home(member as TypeReference ?? member.DeclaringType);

    private static IMemberDefinition Resolve(MemberReference member)
        => member.Resolve() ?? throw new MissingMemberException($"{member.FullName} is not in the assemblies of the tests.");
}
