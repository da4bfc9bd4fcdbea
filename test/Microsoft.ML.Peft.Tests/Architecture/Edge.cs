namespace Microsoft.ML.Peft.Tests.Architecture;

/// <summary>One type names another.</summary>
/// <param name="From">The full name of the type that names.</param>
/// <param name="To">The full name of the type that is named.</param>
/// <param name="ToConcreteModel">Whether the named type is a model that can be constructed.</param>
internal readonly record struct Edge(string From, string To, bool ToConcreteModel = false)
{
    private const string Root = "Microsoft.ML.Peft.";

    internal string FromFolder => Folder(From);

    internal string ToFolder => Folder(To);

    public override string ToString() => $"{From} names {To}";

    /// <summary>The folder of the library that a type's namespace mirrors; empty for types of the root namespaces.</summary>
    internal static string Folder(string fullName)
    {
        string below = fullName.StartsWith(Root, StringComparison.Ordinal) ? fullName[Root.Length..] : "";
        int dot = below.IndexOf('.');
        return dot < 0 ? "" : below[..dot];
    }
}
