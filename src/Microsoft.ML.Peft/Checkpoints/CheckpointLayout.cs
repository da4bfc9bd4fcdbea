using Microsoft.ML.Peft.Registration;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>
/// A layout of a model's files that is not Hugging Face's: how it is known, and what the files would be there. A new one is one class below this and a
/// line in its assembly's registration.
/// </summary>
internal abstract class CheckpointLayout
{
    /// <summary>What it is called, in messages too.</summary>
    public abstract string Key { get; }

    /// <summary>The layouts that are known.</summary>
    public static IEnumerable<string> Known => Registries.Shared.All<LayoutEntry>().Select(entry => entry.Key);

    /// <summary>What a folder, or a file that stands for one, would be in Hugging Face's layout; null where it is in that layout already, or in none that is known.</summary>
    /// <exception cref="InvalidDataException">A file is malformed.</exception>
    /// <exception cref="NotSupportedException">The model has a part that is not known.</exception>
    public static ForeignCheckpoint? Translate(string path) => File.Exists(Path.Combine(path, HfConfig.FileName))
        ? null
        : Registries.Shared.All<LayoutEntry>().Select(entry => entry.Layout.Find(path)).FirstOrDefault(found => found is not null);

    /// <summary>The same for this layout alone; null where the files are of another.</summary>
    public abstract ForeignCheckpoint? Find(string path);
}

/// <summary>A layout that an assembly brings.</summary>
internal sealed record LayoutEntry(CheckpointLayout Layout) : Registered(Layout.Key, Layout.GetType());

/// <summary>A model's files in another layout than Hugging Face's, and what they would be there.</summary>
internal sealed record ForeignCheckpoint
{
    /// <summary>The file with the tensors.</summary>
    public required string WeightsFile { get; init; }

    /// <summary>The file that says what they are; null where the tensors' shapes do.</summary>
    public string? ConfigFile { get; init; }

    /// <summary>The model's config.json.</summary>
    public required HfConfig Config { get; init; }

    /// <summary>The tensors that the model has there.</summary>
    public required IReadOnlyDictionary<string, StoredTensor> Tensors { get; init; }

    /// <summary>Further files that the folder would have there, by name.</summary>
    public IReadOnlyDictionary<string, byte[]> Files { get; init; } = new Dictionary<string, byte[]>();

    /// <summary>The files that decide what the weights are.</summary>
    public IReadOnlyList<string> Sources => ConfigFile is null ? [WeightsFile] : [WeightsFile, ConfigFile];

    public ITensorSource Open() => new RenamedTensors(CheckpointFolder.OpenFile(WeightsFile), Tensors);
}
