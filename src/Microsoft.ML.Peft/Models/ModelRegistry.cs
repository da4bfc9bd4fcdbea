using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Registration;
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

    /// <summary>The modules of its base in checkpoints.</summary>
    public required IReadOnlyList<string> BasePaths { get; init; }

    /// <summary>Whether a class of <c>architectures</c> is this model, with whatever head.</summary>
    public bool IsNamed(string architecture) => architecture.StartsWith(Family, StringComparison.Ordinal)
        && architecture[Family.Length..] is var head && Array.Exists(["Model", "For", "LMHead"], start => head.StartsWith(start, StringComparison.Ordinal));
}

/// <summary>Finds the model of a config.json.</summary>
internal static class ModelRegistry
{
    /// <param name="registry">What the assembly brings.</param>
    /// <param name="key">The stable name in archives.</param>
    /// <param name="family">What the names in <c>architectures</c> begin with.</param>
    /// <param name="basePaths">The modules of its base in checkpoints.</param>
    /// <param name="create">Makes it.</param>
    /// <param name="modelType">The <c>model_type</c>, where that is not the key.</param>
    public static void AddModel<T>(
        this Registry registry, string key, string family, IReadOnlyList<string> basePaths, Func<HfConfig, ModelWeights, T> create, string? modelType = null)
        where T : PretrainedModel =>
        registry.Add(new ModelEntry(key, typeof(T), create) { Family = family, ModelType = modelType ?? key, BasePaths = basePaths });

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
        var weights = new ModelWeights(
            [new WeightMount(entry.BasePaths, checkpoint, quantization)], device, config.Double("initializer_range", 0.02), seed);
        try
        {
            PretrainedModel model = entry.Create(config, weights);
            model.CheckComplete();
            return model;
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }
}
