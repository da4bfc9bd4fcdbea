using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>All of a model that an archive keeps.</summary>
/// <param name="Model">The model with its tuner.</param>
/// <param name="Task">What it answers.</param>
/// <param name="Tuner">The settings of the tuner.</param>
/// <param name="BaseFolder">Where the base came from; null where it came out of an archive.</param>
/// <param name="BaseSha256">The hash of the base's weights, if it is known.</param>
/// <param name="EmbedBase">Whether an archive holds the base's weights.</param>
/// <param name="BatchSize">Rows scored at once.</param>
internal sealed record ArchivedModel(
    TunedModel Model, TaskRuntime Task, TunerOptions Tuner, string? BaseFolder, string? BaseSha256,
    bool EmbedBase, int BatchSize)
{
    private readonly string? _name, _generation;

    /// <summary>What the base's folder or file is called; null if it is not known.</summary>
    public string? BaseName
    {
        get => _name ?? (BaseFolder is { } folder ? FolderName.Of(folder) : null);
        init => _name = value;
    }

    /// <summary>The text of the base's generation_config.json; null where it has none.</summary>
    public string? GenerationConfig
    {
        get => _generation ?? GenerationConfigFile.TextIn(BaseFolder);
        init => _generation = value;
    }

    /// <summary>Where each base came from, by role; null where one folder brings all.</summary>
    public IReadOnlyDictionary<string, BaseEntry>? Bases { get; init; }

    /// <summary>The named adapters; null for the trained one alone.</summary>
    public IReadOnlyList<ArchivedAdapter>? Adapters { get; init; }

    /// <summary>The adapter that answers where no other is asked for; null for the bare base.</summary>
    public string? ActiveAdapter { get; init; } = ForwardContext.DefaultAdapter;

    /// <summary>The column that names each row's adapter; null for none.</summary>
    public string? AdapterColumn { get; init; }
}

/// <summary>A named adapter; the trained one needs no more than its name.</summary>
internal sealed record ArchivedAdapter(string Name, ITuner? Tuner, TunerOptions? Settings)
{
    /// <summary>The name in the model's slots.</summary>
    public string Key { get; init; } = Name;
}
