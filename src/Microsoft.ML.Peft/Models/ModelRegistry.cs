using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Registration;
using Microsoft.ML.Peft.Weights;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>A model, and what it is called in a config.json.</summary>
/// <param name="Key">The stable name in archives.</param>
/// <param name="Type">The model's class.</param>
/// <param name="Create">Makes it.</param>
internal sealed record ModelEntry(string Key, Type Type, Func<HfConfig, ModelWeights, PretrainedModel> Create) : Registered(Key, Type)
{
    /// <summary>What the names of its classes begin with: <c>Bert</c> for BertModel, BertForMaskedLM and all other heads.</summary>
    public required string Family { get; init; }

    /// <summary>The <c>model_type</c>.</summary>
    public required string ModelType { get; init; }

    /// <summary>What it stands on.</summary>
    public required IReadOnlyList<BaseRole> Bases { get; init; }

    /// <summary>Whether a class of <c>architectures</c> is this model, with whatever head.</summary>
    public bool IsNamed(string architecture) => architecture.StartsWith(Family, StringComparison.Ordinal)
        && architecture[Family.Length..] is var head && Array.Exists(["Model", "For", "LMHead"], start => head.StartsWith(start, StringComparison.Ordinal));
}

/// <summary>A base of a model, the only one or one of several.</summary>
/// <param name="Role">What it is to the model, a word in archives.</param>
/// <param name="Paths">Its modules in checkpoints.</param>
internal sealed record BaseRole(string Role, IReadOnlyList<string> Paths);

/// <summary>Where a base's weights come from, and how its matrices are kept.</summary>
internal sealed record BaseWeights(SharedCheckpoint? Checkpoint, QuantizationOptions? Quantization);

/// <summary>Finds the model of a config.json.</summary>
internal static class ModelRegistry
{
    public const string Kind = "model";

    /// <summary>A model on one base.</summary>
    /// <param name="registry">What the assembly brings.</param>
    /// <param name="key">The stable name in archives.</param>
    /// <param name="family">What the names in <c>architectures</c> begin with.</param>
    /// <param name="basePaths">The modules of its base in checkpoints.</param>
    /// <param name="create">Makes it.</param>
    /// <param name="modelType">The <c>model_type</c>, where that is not the key.</param>
    public static void AddModel<T>(
        this Registry registry, string key, string family, IReadOnlyList<string> basePaths, Func<HfConfig, ModelWeights, T> create, string? modelType = null)
        where T : PretrainedModel => registry.AddModel(key, family, [new BaseRole(WeightMount.OnlyRole, basePaths)], create, modelType);

    /// <summary>A model on several bases, each with a quantization of its own.</summary>
    public static void AddModel<T>(
        this Registry registry, string key, string family, IReadOnlyList<BaseRole> bases, Func<HfConfig, ModelWeights, T> create, string? modelType = null)
        where T : PretrainedModel =>
        registry.Add(new ModelEntry(key, typeof(T), create) { Family = family, ModelType = modelType ?? key, Bases = bases });

    /// <summary>The model of a config.json: by <c>architectures</c>, and where nobody knows these by <c>model_type</c>.</summary>
    /// <exception cref="NotSupportedException">The architecture is not known, or several have the name.</exception>
    public static ModelEntry Choose(HfConfig config, IEnumerable<ModelEntry> known)
    {
        ModelEntry[] all = [.. known];
        ModelEntry[] found = [.. config.Architectures.Select(name => all.Where(model => model.IsNamed(name))).FirstOrDefault(models => models.Any())
            ?? all.Where(model => model.ModelType == config.ModelType)];
        return found switch
        {
            [var one] => one,
            [] => throw new NotSupportedException(
                $"Architecture '{config.ModelType}' is not supported; known are {string.Join(", ", all.Select(model => model.Key).Order())}."),
            _ => throw new NotSupportedException(
                $"Several models go by the name that config.json gives (architectures [{string.Join(", ", config.Architectures)}]"
                + $"{(config.Has("model_type") ? $", model_type '{config.ModelType}'" : "")}): {string.Join(", ", found.Select(m => $"{m.Key} ({m.Family}..., {m.Assembly})"))}."),
        };
    }

    /// <summary>Builds the model over a checkpoint, whose reference it takes over.</summary>
    /// <param name="config">The parsed config.json.</param>
    /// <param name="checkpoint">The weights; null to start at random.</param>
    /// <param name="device">Where new weights are made.</param>
    /// <param name="seed">Seed of new weights.</param>
    /// <param name="quantization">How the base's matrices are kept; null for floats.</param>
    /// <exception cref="NotSupportedException">The architecture is not known.</exception>
    public static PretrainedModel Create(
        HfConfig config, SharedCheckpoint? checkpoint, Device device, long seed, QuantizationOptions? quantization = null)
    {
        ModelEntry entry = Choose(config, Registries.Shared.All<ModelEntry>());
        return Create(entry, config, entry.Bases.Select((stands, i) => (stands.Role, new BaseWeights(i == 0 ? checkpoint : checkpoint?.AddReference(), quantization)))
            .ToDictionary(part => part.Role, part => part.Item2), device, seed);
    }

    /// <summary>Builds a model over the weights of each base by its role; references are taken over.</summary>
    /// <exception cref="InvalidDataException">The roles are not the model's.</exception>
    public static PretrainedModel Create(
        ModelEntry entry, HfConfig config, IReadOnlyDictionary<string, BaseWeights> bases, Device device, long seed)
    {
        if (!bases.Keys.ToHashSet().SetEquals(entry.Bases.Select(stands => stands.Role)))
        {
            foreach (BaseWeights weights in bases.Values)
                weights.Checkpoint?.Dispose();
            throw new InvalidDataException(
                $"Model '{entry.Key}' stands on {string.Join(", ", entry.Bases.Select(stands => stands.Role))}; there are weights for {string.Join(", ", bases.Keys)}.");
        }
        return Create(entry, config, new ModelWeights([.. entry.Bases.Select(stands => Mount(stands, bases[stands.Role]))],
            device, config.Double("initializer_range", 0.02), seed));
    }

    private static PretrainedModel Create(ModelEntry entry, HfConfig config, ModelWeights weights)
    {
        try
        {
            PretrainedModel model = entry.Create(config, weights);
            model.Entry = entry;
            model.CheckComplete();
            return model;
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    private static WeightMount Mount(BaseRole stands, BaseWeights weights) =>
        new(stands.Paths, weights.Checkpoint, weights.Quantization) { Role = stands.Role };
}
