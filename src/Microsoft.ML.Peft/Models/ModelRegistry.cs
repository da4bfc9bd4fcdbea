using System.Reflection;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>Marks a model with the <c>model_type</c> of config.json and the modules of its base in checkpoints.</summary>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class ArchitectureAttribute(string modelType, params string[] basePaths) : Attribute
{
    public string ModelType { get; } = modelType;

    public IReadOnlyList<string> BasePaths { get; } = basePaths;
}

/// <summary>Finds the model of a config.json: a new architecture is one file with the attribute, and no list to extend.</summary>
internal static class ModelRegistry
{
    private static readonly Dictionary<string, (Type Type, IReadOnlyList<string> BasePaths)> ByModelType = typeof(ModelRegistry).Assembly.GetTypes()
        .Select(type => (type, mark: type.GetCustomAttribute<ArchitectureAttribute>()))
        .Where(t => t.mark is not null)
        .ToDictionary(t => t.mark!.ModelType, t => (t.type, t.mark!.BasePaths), StringComparer.Ordinal);

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
        if (!ByModelType.TryGetValue(config.ModelType, out var found))
        {
            throw new NotSupportedException(
                $"Architecture '{config.ModelType}' is not supported; known are {string.Join(", ", ByModelType.Keys.Order())}.");
        }
        var weights = new ModelWeights(
            [new WeightMount(found.BasePaths, checkpoint, quantization)], device, config.Double("initializer_range", 0.02), seed);
        try
        {
            var model = (PretrainedModel)Activator.CreateInstance(
                found.Type, BindingFlags.Instance | BindingFlags.Public | BindingFlags.DoNotWrapExceptions, null, [config, weights], null)!;
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
