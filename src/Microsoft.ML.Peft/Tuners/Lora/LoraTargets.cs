using Microsoft.ML.Peft.Layers;

namespace Microsoft.ML.Peft.Tuners.Lora;

/// <summary>Chooses the projections that LoRA is attached to.</summary>
internal static class LoraTargets
{
    public static IEnumerable<Projection> Choose(LoraOptions options, TuningTarget target) => target.Weights.Sites.Projections
        .Where(site => IsTarget(site.Path, options, target))
        .Where(site => !TargetMatcher.ByName(site.Path, options.ExcludeModules))
        .Where(site => options.LayersToTransform is not { } layers || (TargetMatcher.LayerOf(site.Path) is { } layer && layers.Contains(layer)));

    public static ArgumentException Nothing(LoraOptions options, TuningTarget target)
    {
        string wanted = options.TargetPattern ?? string.Join(", ", options.TargetModules ?? target.DefaultTargets);
        var near = TargetMatcher.Near(wanted, target.Weights.Sites.Projections.Select(site => site.Path));
        string option = options.TargetPattern is null ? nameof(options.TargetModules) : nameof(options.TargetPattern);
        return new ArgumentException(
            $"{nameof(LoraOptions)}.{option} '{wanted}' matches no module of the model (after exclusions and layer choice). "
            + $"Near names: {string.Join(", ", near)}.", option);
    }

    private static bool IsTarget(string path, LoraOptions options, TuningTarget target)
    {
        if (options.TargetPattern is { } pattern)
            return TargetMatcher.ByPattern(path, pattern);
        if (options.TargetModules is [LoraOptions.AllLinear])
            return path.StartsWith(target.Weights.BasePrefix, StringComparison.Ordinal);
        return TargetMatcher.ByName(path, options.TargetModules ?? target.DefaultTargets);
    }
}
