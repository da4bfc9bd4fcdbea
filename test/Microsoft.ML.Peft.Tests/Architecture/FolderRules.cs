namespace Microsoft.ML.Peft.Tests.Architecture;

/// <summary>Which folder of the library may name which. Arrows point down only.</summary>
internal static class FolderRules
{
    private static readonly string[][] TopToBottom =
    [
        ["Estimators", "Chat"],
        ["Tasks", "Tuners", "Training", "Persistence"],
        ["Generation"],
        ["Models"],
        ["Layers"],
        ["Quantization"],
        ["Interop"],
    ];

    // Services at the side: all may name them, they know nothing of what a user trains or how.
    private static readonly string[] Services = ["Checkpoints", "Tokenization", "Data", "Hosting", "Metrics"];

    private static readonly string[] AboveServices = [.. TopToBottom[0], .. TopToBottom[1]];

    // What the levels alone would allow.
    private static readonly (string From, string To)[] Strangers = [("Tuners", "Models"), ("Tasks", "Tuners")];

    internal static IEnumerable<string> Violations(IEnumerable<Edge> edges)
        => edges.Select(edge => Reason(edge) is { } reason ? $"{edge}: {reason}." : null).OfType<string>().Distinct().Order();

    /// <summary>Folders that no rule speaks of: a new one must be given its place above.</summary>
    internal static IEnumerable<string> UnknownFolders(IEnumerable<Edge> edges)
        => edges.Select(edge => edge.FromFolder).Where(folder => folder != "").Distinct()
            .Except(TopToBottom.SelectMany(level => level)).Except(Services);

    private static string? Reason(Edge edge)
    {
        (string from, string to) = (edge.FromFolder, edge.ToFolder);
        if (from == "")
            return null; // the catalog and the public vocabulary sit on top
        if (IsDoor(edge.To))
            return "the catalogs are for users";
        if (Services.Contains(from) && AboveServices.Contains(to))
            return $"{from} serves, it does not know {to}";
        if (Strangers.Contains((from, to)))
            return $"{from} never name {to}";
        if (from == "Tasks" && edge.ToConcreteModel)
            return "a task works with every model, so it names none";
        return Level(from) > Level(to) && Level(to) >= 0 ? $"{to} lies above {from}" : null;
    }

    private static bool IsDoor(string type)
        => Edge.Folder(type) == "" && (type.EndsWith("Catalog", StringComparison.Ordinal) || type.EndsWith("Extensions", StringComparison.Ordinal));

    private static int Level(string folder) => Array.FindIndex(TopToBottom, level => level.Contains(folder));
}
