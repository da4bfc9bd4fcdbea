using Mono.Cecil;

namespace Microsoft.ML.Peft.BuildTools;

/// <summary>
/// Writes copies of assemblies for the compiler alone, in which internal types and members are public. At run time the
/// real assemblies are used; <c>IgnoresAccessChecksTo</c> lets the calls through.
/// </summary>
internal static class Publiciser
{
    public static int Run(string outputFolder, IReadOnlyList<string> sources)
    {
        Directory.CreateDirectory(outputFolder);
        using var resolver = new DefaultAssemblyResolver();
        foreach (string source in sources)
            resolver.AddSearchDirectory(Path.GetDirectoryName(Path.GetFullPath(source)));

        foreach (string source in sources)
        {
            string target = Path.Combine(outputFolder, Path.GetFileName(source));
            if (File.Exists(target) && File.GetLastWriteTimeUtc(target) >= File.GetLastWriteTimeUtc(source))
                continue;
            using var assembly = AssemblyDefinition.ReadAssembly(source, new ReaderParameters { AssemblyResolver = resolver });
            foreach (TypeDefinition type in assembly.MainModule.GetTypes())
                Open(type);
            // Parallel builds of several projects may come here at once: write beside, then rename.
            string partial = target + "." + Environment.ProcessId;
            assembly.Write(partial);
            File.Move(partial, target, overwrite: true);
        }
        return 0;
    }

    private static void Open(TypeDefinition type)
    {
        TypeAttributes visible = type.IsNested ? TypeAttributes.NestedPublic : TypeAttributes.Public;
        type.Attributes = (type.Attributes & ~TypeAttributes.VisibilityMask) | visible;

        // Explicit interface implementations stay private, protected members stay protected.
        foreach (MethodDefinition method in type.Methods.Where(m => !m.IsPublic && !m.IsFamily && !m.HasOverrides))
        {
            bool wasProtected = method.IsFamilyAndAssembly || method.IsFamilyOrAssembly;
            method.Attributes = (method.Attributes & ~MethodAttributes.MemberAccessMask)
                | (wasProtected ? MethodAttributes.Family : MethodAttributes.Public);
        }

        // A field that backs an event of the same name would hide the event.
        var events = type.Events.Select(e => e.Name).ToHashSet();
        foreach (FieldDefinition field in type.Fields.Where(f => !f.IsPublic && !f.IsFamily && !events.Contains(f.Name)))
        {
            bool wasProtected = field.IsFamilyAndAssembly || field.IsFamilyOrAssembly;
            field.Attributes = (field.Attributes & ~FieldAttributes.FieldAccessMask)
                | (wasProtected ? FieldAttributes.Family : FieldAttributes.Public);
        }
    }
}
