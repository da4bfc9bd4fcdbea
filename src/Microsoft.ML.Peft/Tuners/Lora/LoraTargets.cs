using Microsoft.ML.Peft.Layers;

namespace Microsoft.ML.Peft.Tuners.Lora;

/// <summary>The modules that LoRA is attached to, chosen by PEFT's rules.</summary>
internal sealed record LoraTargets(IReadOnlyList<Projection> Projections, IReadOnlyList<TokenEmbedding> Embeddings)
{
    /// <exception cref="ArgumentException">Nothing matches, or something that cannot be tuned.</exception>
    public static LoraTargets Choose(LoraOptions options, TuningTarget target, WholeModules whole)
    {
        TuningSites sites = target.Sites;
        bool Matches(string path) => !whole.Contains(path) && IsTarget(path, options, target);
        var chosen = new LoraTargets([.. sites.Projections.Where(s => Matches(s.Path))], [.. sites.Embeddings.Where(s => Matches(s.Path))]);
        var tunable = sites.Projections.Select(s => s.Path).Concat(sites.Embeddings.Select(s => s.Path)).ToHashSet(StringComparer.Ordinal);
        string? other = ModulesOf(target).FirstOrDefault(path => !tunable.Contains(path) && Matches(path));
        if (other is not null)
        {
            throw new ArgumentException(
                $"{Wanted(options, target)} matches '{other}', which is neither a linear layer nor an embedding: LoRA cannot tune it.", Option(options));
        }
        return chosen.Projections.Count + chosen.Embeddings.Count > 0 ? chosen : throw Nothing(options, target);
    }

    /// <summary>The names that choose these modules, as PEFT writes them: those given, the architecture's own, or all paths where a name would match more.</summary>
    public IReadOnlyList<string> Names(LoraOptions options, TuningTarget target) => options.TargetModules is [LoraOptions.AllLinear] || options.Modules is not null
        ? [.. Projections.Select(site => site.Path), .. Embeddings.Select(site => site.Path)]
        : options.TargetModules ?? target.DefaultTargets;

    private static bool IsTarget(string path, LoraOptions options, TuningTarget target)
    {
        if (IsExcluded(path, options))
            return false;
        if (options.TargetPattern is { } pattern)
            return TargetMatcher.ByPattern(path, pattern);
        if (options.TargetModules is [LoraOptions.AllLinear])
            return target.Sites.Projections.Any(site => site.Path == path && !target.Sites.Outputs.Any(output => ReferenceEquals(output.Projection, site)));
        IReadOnlyList<string> names = options.TargetModules ?? target.DefaultTargets;
        return names.Contains(path) || (TargetMatcher.ByName(path, names) && IsInLayers(path, options));
    }

    private static bool IsExcluded(string path, LoraOptions options) =>
        (options.ExcludePattern is { } pattern && TargetMatcher.ByPattern(path, pattern))
        || TargetMatcher.ByName(path, options.ExcludeModules) || TargetMatcher.WithinPattern(path, options.ModulesToSave);

    private static bool IsInLayers(string path, LoraOptions options) => options.LayersToTransform is not { Count: > 0 } layers
        || (TargetMatcher.LayerOf(path, options.LayersPattern) is { } layer && layers.Contains(layer));

    // Modules show in the names of their weights, and those that hold others in the names of these.
    private static IEnumerable<string> ModulesOf(TuningTarget target) =>
        target.Parameters.SelectMany(parameter => TargetMatcher.Ancestors(parameter.ModulePath)).Distinct();

    private static ArgumentException Nothing(LoraOptions options, TuningTarget target)
    {
        string wanted = options.TargetPattern ?? string.Join(", ", options.TargetModules ?? target.DefaultTargets);
        TuningSites sites = target.Sites;
        var near = TargetMatcher.Near(wanted, sites.Projections.Select(s => s.Path).Concat(sites.Embeddings.Select(s => s.Path)));
        return new ArgumentException(
            $"{Wanted(options, target)} matches no module of the model (after exclusions and layer choice). "
            + $"Near names: {string.Join(", ", near)}.", Option(options));
    }

    private static string Wanted(LoraOptions options, TuningTarget target) =>
        $"{nameof(LoraOptions)}.{Option(options)} '{options.TargetPattern ?? string.Join(", ", options.TargetModules ?? target.DefaultTargets)}'";

    private static string Option(LoraOptions options) =>
        options.TargetPattern is null ? nameof(options.TargetModules) : nameof(options.TargetPattern);
}
