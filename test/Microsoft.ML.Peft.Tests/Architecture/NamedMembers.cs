using Mono.Cecil;
using Mono.Cecil.Cil;

namespace Microsoft.ML.Peft.Tests.Architecture;

/// <summary>All that a type's declaration and code name: types and members, generic arguments taken apart.</summary>
internal static class NamedMembers
{
    /// <summary>What a type and the types nested in it (closures, iterators) name.</summary>
    internal static IEnumerable<MemberReference> Of(TypeDefinition type)
        => Declared(type).Concat(type.NestedTypes.SelectMany(Of));

    /// <summary>What the assembly's own attributes name.</summary>
    internal static IEnumerable<MemberReference> OfAttributes(ICustomAttributeProvider provider)
        => provider.CustomAttributes.SelectMany(attribute => Member(attribute.Constructor)
            .Concat(attribute.ConstructorArguments.Select(a => a.Value).OfType<TypeReference>().SelectMany(Parts)));

    private static IEnumerable<MemberReference> Declared(TypeDefinition type)
        => Parts(type.BaseType)
            .Concat(type.Interfaces.SelectMany(i => Parts(i.InterfaceType)))
            .Concat(OfAttributes(type))
            .Concat(type.GenericParameters.SelectMany(Constraints))
            .Concat(type.Fields.SelectMany(f => Parts(f.FieldType).Concat(OfAttributes(f))))
            .Concat(type.Properties.SelectMany(OfAttributes))
            .Concat(type.Methods.SelectMany(Method));

    private static IEnumerable<MemberReference> Method(MethodDefinition method)
    {
        var signature = Signature(method)
            .Concat(OfAttributes(method))
            .Concat(method.Overrides.SelectMany(Member))
            .Concat(method.GenericParameters.SelectMany(Constraints));
        if (!method.HasBody)
            return signature;
        return signature
            .Concat(method.Body.Variables.SelectMany(v => Parts(v.VariableType)))
            .Concat(method.Body.ExceptionHandlers.SelectMany(h => Parts(h.CatchType)))
            .Concat(method.Body.Instructions.SelectMany(Operand));
    }

    private static IEnumerable<MemberReference> Operand(Instruction instruction) => instruction.Operand switch
    {
        TypeReference type => Parts(type),
        MemberReference member => Member(member),
        _ => [],
    };

    private static IEnumerable<MemberReference> Member(MemberReference member)
    {
        IEnumerable<MemberReference> inner = member switch
        {
            GenericInstanceMethod generic => generic.GenericArguments.SelectMany(Parts).Concat(Signature(generic)),
            MethodReference method => Signature(method),
            FieldReference field => Parts(field.FieldType),
            _ => [],
        };
        return inner.Concat(Parts(member.DeclaringType)).Append(member);
    }

    private static IEnumerable<MemberReference> Signature(MethodReference method)
        => Parts(method.ReturnType).Concat(method.Parameters.SelectMany(p => Parts(p.ParameterType)));

    private static IEnumerable<MemberReference> Constraints(GenericParameter parameter)
        => parameter.Constraints.SelectMany(c => Parts(c.ConstraintType));

    private static IEnumerable<TypeReference> Parts(TypeReference? type) => type switch
    {
        null or GenericParameter => [],
        GenericInstanceType generic => generic.GenericArguments.SelectMany(Parts).Append(generic.ElementType),
        TypeSpecification wrapped => Parts(wrapped.ElementType),
        _ => [type],
    };
}
