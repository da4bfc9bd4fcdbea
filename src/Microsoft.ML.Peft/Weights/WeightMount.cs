namespace Microsoft.ML.Peft.Weights;

/// <summary>A tensor's place.</summary>
internal readonly record struct CheckpointKey(SharedCheckpoint Checkpoint, string Name);

/// <summary>Where the weights below some module paths come from, and how they are kept: a base model, or one of several in a larger one.</summary>
internal sealed class WeightMount
{
    /// <summary>The role of a base that is the only one.</summary>
    public const string OnlyRole = "model";

    private readonly IReadOnlyList<string> _paths;

    /// <param name="paths">The modules (<c>bert</c>, or <c>encoder</c>, <c>decoder</c> and <c>shared</c>), and weights outside of all.</param>
    /// <param name="checkpoint">Where the weights come from; null to start at random.</param>
    /// <param name="quantization">How matrices are kept; null for floats. Those that a checkpoint has packed stay so.</param>
    /// <exception cref="ArgumentException">No path is given, or an empty one: every weight would be a head's.</exception>
    public WeightMount(IReadOnlyList<string> paths, SharedCheckpoint? checkpoint, QuantizationOptions? quantization)
    {
        if (paths.Count == 0 || paths.Any(string.IsNullOrEmpty))
            throw new ArgumentException("A model names the modules of its base: without them no weight would be missed.", nameof(paths));
        (_paths, Checkpoint, Quantization) = (paths, checkpoint, quantization);
        // A bare checkpoint of a base with one root leaves its name out.
        IsBare = paths is [var root] && checkpoint is not null && !checkpoint.Names.Any(name => IsBelow(name, root));
    }

    /// <summary>What the base is to the model; archives keep each base by it.</summary>
    public string Role { get; init; } = OnlyRole;

    public SharedCheckpoint? Checkpoint { get; }

    public QuantizationOptions? Quantization { get; }

    /// <summary>Whether the checkpoint's names lack the base's.</summary>
    public bool IsBare { get; }

    /// <summary>Whether a weight of the model is one of these.</summary>
    public bool Holds(string name) => _paths.Any(path => name == path || IsBelow(name, path));

    /// <summary>A weight's name without the base's, where that is one.</summary>
    public string BareName(string name) => _paths is [var root] && IsBelow(name, root) ? name[(root.Length + 1)..] : name;

    /// <summary>Where a weight of these lies; null where the checkpoint does not have it.</summary>
    public CheckpointKey? KeyOf(string name)
    {
        string[] candidates = _paths.Count == 1 ? [name, BareName(name)] : [name];
        return Checkpoint is { } checkpoint && Array.Find(candidates, checkpoint.Contains) is { } key ? new CheckpointKey(checkpoint, key) : null;
    }

    /// <summary>Names that the checkpoint has for these modules and that nobody read.</summary>
    /// <param name="isRead">Tells what was read.</param>
    /// <param name="optional">Tells, by the bare name, what need not be.</param>
    public IEnumerable<string> UnreadNames(Predicate<string> isRead, Predicate<string> optional) => Checkpoint!.Names
        .Where(name => !isRead(name) && (IsBare || Holds(name)) && !optional(BareName(name)));

    private static bool IsBelow(string name, string path) =>
        name.Length > path.Length && name[path.Length] == '.' && name.StartsWith(path, StringComparison.Ordinal);
}
