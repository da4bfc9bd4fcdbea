using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Quantization;
using Microsoft.ML.Peft.Weights;

namespace Microsoft.ML.Peft.Layers;

/// <summary>Where a model's weights lie in the checkpoints that it is mounted on, which of them it took, and which it missed.</summary>
/// <param name="mounts">Where weights come from; references to their checkpoints are taken over.</param>
internal sealed class WeightSources(IReadOnlyList<WeightMount> mounts) : IDisposable
{
    private readonly HashSet<CheckpointKey> _taken = [];
    private readonly HashSet<string> _missing = new(StringComparer.Ordinal);
    private readonly HashSet<string> _leftOut = new(StringComparer.Ordinal);

    /// <summary>The base; the first model, where there are several.</summary>
    public WeightMount First => mounts[0];

    public IReadOnlyList<WeightMount> Mounts => mounts;

    public IEnumerable<SharedCheckpoint> Checkpoints => mounts.Select(mount => mount.Checkpoint).OfType<SharedCheckpoint>().Distinct();

    /// <summary>How a matrix is kept; null for floats.</summary>
    public QuantizationOptions? QuantizationOf(string name) => MountOf(name)?.Quantization;

    /// <summary>How a table of tokens or an output matrix is kept. A head that no checkpoint brings is to be trained.</summary>
    public QuantizationOptions? VocabularyQuantizationOf(string name) =>
        (MountOf(name) ?? (KeyOf(name) is { } key ? mounts.First(mount => ReferenceEquals(mount.Checkpoint, key.Checkpoint)) : null))?.Quantization?.OfVocabulary;

    /// <summary>Whether a weight belongs to a base model, and not to a head on it.</summary>
    public bool IsOfBase(string name) => MountOf(name) is not null;

    /// <summary>Whether a tensor of a mount's checkpoint is that mount's; what is no mount's, a head's, counts as the first one's that has it.</summary>
    public bool IsOf(WeightMount mount, string stored) =>
        mount.IsBare || (MountOf(stored) ?? mounts.First(other => other.Checkpoint?.Contains(stored) == true)) == mount;

    /// <summary>Whether a checkpoint brings the weight (under its own name, or without the base model's).</summary>
    public bool Brings(string name) => Find(name) is not null;

    /// <summary>Where a weight lies; null where no checkpoint has it.</summary>
    public CheckpointKey? KeyOf(string name)
    {
        if (IsLeftOut(name))
            return null;
        if (MountOf(name) is { } mount)
            return mount.KeyOf(name);
        SharedCheckpoint? holder = Checkpoints.FirstOrDefault(checkpoint => checkpoint.Contains(name));
        return holder is null ? null : new CheckpointKey(holder, name);
    }

    /// <summary>The same for who knows of the weight from now on.</summary>
    public CheckpointKey? Find(string name)
    {
        CheckpointKey? found = KeyOf(name);
        if (found is { } key)
            _taken.Add(key);
        return found;
    }

    /// <summary>The same for who needs the weight: it is missed where its checkpoint does not have it.</summary>
    public CheckpointKey? Take(string name)
    {
        CheckpointKey? found = Find(name);
        if (found is null && MountOf(name) is { Checkpoint: not null })
            _missing.Add(name);
        return found;
    }

    /// <summary>Takes what a packed matrix is made of.</summary>
    public void TakeParts(CheckpointKey matrix) => _taken.UnionWith(
        matrix.Checkpoint.Names.Where(part => QuantStateFile.IsPartOf(part, matrix.Name)).Select(part => matrix with { Name = part }));

    /// <summary>The classifier that the base's checkpoint brings in a module; null where it brings none.</summary>
    /// <param name="module">The module's path.</param>
    /// <param name="matrix">The matrix in it whose rows are the classes.</param>
    public FolderClassifier? FindClassifier(string module, string matrix)
    {
        string name = $"{module}.{matrix}";
        if (First.Checkpoint is not { } checkpoint)
            return null;
        if (checkpoint.Contains(name))
            return new FolderClassifier(name, (int)checkpoint.ShapeOf(name)[0]);
        return checkpoint.Names.Order(StringComparer.Ordinal).FirstOrDefault(key => IsWithin(key, module)) is { } other ? new FolderClassifier(other, 0) : null;
    }

    /// <summary>Leaves out what the checkpoints bring in a module: its weights start anew.</summary>
    public void StartAnew(string module) => _leftOut.Add(module);

    /// <summary>Whether a weight is in a module that starts anew.</summary>
    public bool IsLeftOut(string name) => _leftOut.Any(module => IsWithin(name, module));

    /// <summary>Refuses checkpoints that lack weights of the models, or hold others than these read.</summary>
    /// <param name="optional">Tells, by the name below the base's where that is one, what only some heads read.</param>
    /// <exception cref="InvalidDataException">The names do not fit; the message lists them.</exception>
    public void CheckComplete(Predicate<string> optional)
    {
        foreach (WeightMount mount in mounts)
        {
            mount.Checkpoint?.ThrowIfIncomplete(
                _missing.Where(name => mount.Holds(name) && !optional(mount.BareName(name))),
                mount.UnreadNames(name => _taken.Contains(new(mount.Checkpoint, name)), optional));
        }
    }

    public void Dispose()
    {
        foreach (WeightMount mount in mounts)
            mount.Checkpoint?.Dispose();
    }

    private static bool IsWithin(string name, string module) => name.StartsWith(module + ".", StringComparison.Ordinal);

    private WeightMount? MountOf(string name) => mounts.FirstOrDefault(mount => mount.Holds(name));
}

/// <summary>A classifier in a checkpoint.</summary>
/// <param name="Name">Its matrix, or a weight that stands in its place.</param>
/// <param name="Classes">The rows of its matrix; 0 where it has another form.</param>
internal sealed record FolderClassifier(string Name, int Classes);
