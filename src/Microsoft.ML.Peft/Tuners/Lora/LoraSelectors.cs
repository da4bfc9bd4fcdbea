using System.Globalization;
using Microsoft.ML.Peft.Layers;

namespace Microsoft.ML.Peft.Tuners.Lora;

/// <summary>
/// The selectors of LoRA's options: names, patterns and numbers that choose modules. Each is judged by itself, so that one which
/// matches nothing is not hidden by another that does. Whether what it matches is then excluded is another question.
/// </summary>
internal sealed class LoraSelectors(LoraOptions options, TuningTarget target, LoraTargets chosen)
{
    // PEFT names both in a classifier's file, whichever the model has.
    private static readonly string[] s_heads = ["classifier", "score"];

    private readonly string[] _tunable = [.. target.Sites.Projections.Select(site => site.Path), .. target.Sites.Embeddings.Select(site => site.Path)];

    /// <summary>Refuses names that are empty, and patterns that are no regular expressions.</summary>
    /// <exception cref="ArgumentException">There is one; the message names option and pattern.</exception>
    public static void Check(LoraOptions options)
    {
        IEnumerable<(string Option, IEnumerable<string> Names)> lists =
        [
            (nameof(options.TargetModules), options.TargetModules ?? []), (nameof(options.ExcludeModules), options.ExcludeModules),
            (nameof(options.LayersPattern), options.LayersPattern), (nameof(options.ModulesToSave), options.ModulesToSave),
            (nameof(options.RankPattern), options.RankPattern.Keys), (nameof(options.AlphaPattern), options.AlphaPattern.Keys),
            (nameof(options.TrainableTokensByModule), options.TrainableTokensByModule.Keys),
        ];
        // An archive may say anything.
        if (lists.FirstOrDefault(list => list.Names.Any(string.IsNullOrEmpty)).Option is { } empty)
            throw new ArgumentException($"{nameof(LoraOptions)}.{empty} has an empty name.", empty);
        IEnumerable<(string Option, string Pattern)> all =
        [
            .. options.TargetPattern is { } targets ? [(nameof(options.TargetPattern), targets)] : Array.Empty<(string, string)>(),
            .. options.ExcludePattern is { } excluded ? [(nameof(options.ExcludePattern), excluded)] : Array.Empty<(string, string)>(),
            .. options.RankPattern.Keys.Select(key => (nameof(options.RankPattern), key)),
            .. options.AlphaPattern.Keys.Select(key => (nameof(options.AlphaPattern), key)),
            .. options.LayersPattern.Select(name => (nameof(options.LayersPattern), name)),
            .. options.ModulesToSave.Select(name => (nameof(options.ModulesToSave), name)),
        ];
        foreach (var (option, pattern) in all)
        {
            if (PythonPattern.Fault(pattern) is { } fault)
                throw new ArgumentException($"{nameof(LoraOptions)}.{option}: '{pattern}' is no regular expression: {fault}", option);
        }
    }

    /// <summary>A sentence for each selector that matches nothing.</summary>
    public IReadOnlyList<string> Unmatched()
    {
        string[] modules = [.. _tunable.Concat(target.Parameters.Select(parameter => parameter.ModulePath)).SelectMany(TargetMatcher.Ancestors).Distinct()];
        string[] tuned = [.. chosen.Projections.Select(site => site.Path), .. chosen.Embeddings.Select(site => site.Path)];
        string[] saved = [.. options.ModulesToSave.Where(name => !modules.Any(path => path.EndsWith(name, StringComparison.Ordinal)))];
        bool hasHead = s_heads.Any(head => options.ModulesToSave.Contains(head) && !saved.Contains(head));
        return
        [
            .. Names(nameof(options.TargetModules), NamesOf(options.TargetModules), modules, (path, name) => TargetMatcher.ByName(path, [name]), "module of the model"),
            .. Names(nameof(options.ExcludeModules), options.ExcludeModules, _tunable, (path, name) => TargetMatcher.ByName(path, [name]), "module that could be tuned"),
            .. Names(nameof(options.ExcludePattern), options.ExcludePattern is { } pattern ? [pattern] : [], _tunable, TargetMatcher.ByPattern, "module that could be tuned"),
            .. Names(nameof(options.RankPattern), options.RankPattern.Keys, tuned, TargetMatcher.ByEnd, "tuned module"),
            .. Names(nameof(options.AlphaPattern), options.AlphaPattern.Keys, tuned, TargetMatcher.ByEnd, "tuned module"),
            .. Layers(),
            .. saved.Where(name => !(hasHead && s_heads.Contains(name))).Select(name => Sentence(nameof(options.ModulesToSave), name, "module of the model", modules)),
        ];
    }

    private static IReadOnlyList<string> NamesOf(IReadOnlyList<string>? targets) => targets is null or [LoraOptions.AllLinear] ? [] : targets;

    private static IEnumerable<string> Names(string option, IEnumerable<string> selectors, string[] paths, Func<string, string, bool> matches, string what) =>
        selectors.Where(selector => !paths.Any(path => matches(path, selector))).Select(selector => Sentence(option, selector, what, paths));

    private IEnumerable<string> Layers()
    {
        string[] lists = [.. _tunable.Select(TargetMatcher.ListOf).OfType<string>().Distinct()];
        foreach (string list in options.LayersPattern.Where(list => !_tunable.Any(path => TargetMatcher.LayerOf(path, [list]) is not null)))
            yield return Sentence(nameof(options.LayersPattern), list, "list of layers", lists);
        IReadOnlyList<string> names = options.TargetModules ?? target.DefaultTargets;
        int[] layers = [.. _tunable.Where(path => TargetMatcher.ByName(path, names)).Select(path => TargetMatcher.LayerOf(path, options.LayersPattern)).OfType<int>().Distinct().Order()];
        foreach (int layer in (options.LayersToTransform ?? []).Where(layer => !layers.Contains(layer)))
        {
            yield return $"{nameof(LoraOptions)}.{nameof(options.LayersToTransform)}: there is no target in a layer {layer.ToString(CultureInfo.InvariantCulture)}. "
                + $"Layers with targets: {(layers.Length == 0 ? "none" : string.Join(", ", layers))}.";
        }
    }

    private static string Sentence(string option, string selector, string what, IEnumerable<string> paths) =>
        $"{nameof(LoraOptions)}.{option}: '{selector}' matches no {what}. Near names: {string.Join(", ", TargetMatcher.Near(selector, paths))}.";
}
