using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners;

/// <summary>What a tuner may know of the model it attaches to.</summary>
/// <param name="Weights">The model's weights and sites.</param>
/// <param name="DefaultTargets">What the architecture tunes by default.</param>
/// <param name="HeadParameters">The task's own weights.</param>
/// <param name="Saved">The tensors that the tuner is about to take; null for new ones.</param>
internal sealed record TuningTarget(
    ModelWeights Weights, IReadOnlyList<string> DefaultTargets, IReadOnlyList<Parameter> HeadParameters, ITensorSource? Saved = null)
{
    /// <summary>What the task's head works out of what was trained, and keeps beside it.</summary>
    public IReadOnlyList<Parameter> HeadConstants { get; init; } = [];

    /// <summary>The places that may be tuned: the model's, or those of the modules that the tuner keeps to.</summary>
    public TuningSites Sites { get; private init; } = Weights.Sites;

    /// <summary>The weights that may train, likewise.</summary>
    public IReadOnlyCollection<Parameter> Parameters { get; private init; } = Weights.All;

    /// <summary>Whether a module or weight of the path is among them.</summary>
    public Func<string, bool> Holds { get; private init; } = _ => true;

    /// <summary>Other adapters stand on the same weights, which must stay as they are.</summary>
    public bool IsShared { get; init; }

    /// <summary>Whether the head reads the first position of a row ([CLS]).</summary>
    public bool ReadsFirst { get; init; }

    /// <summary>
    /// Reads tokens with the model as it is, and gives the keys and values [tokens, groups, size] that each attention made of them; null where no
    /// tuner may ask. They belong to the caller's scope.
    /// </summary>
    public Func<IReadOnlyList<int>, IReadOnlyDictionary<AttentionSite, (Tensor Keys, Tensor Values)>>? KeysOf { get; init; }

    /// <summary>Is told of what is odd and does no harm; null where nobody listens.</summary>
    public Action<string>? Warn { get; init; }

    /// <summary>The same model, of which a tuner sees some modules and what lies in them.</summary>
    /// <param name="modules">Paths; one that the model lacks is left out.</param>
    /// <exception cref="ArgumentException">The model has none of them.</exception>
    public TuningTarget Within(IReadOnlyList<string> modules)
    {
        bool IsWithin(string path) => TargetMatcher.Ancestors(path).Any(modules.Contains);
        Parameter[] parameters = [.. Parameters.Where(parameter => IsWithin(parameter.Name))];
        return parameters.Length > 0 ? this with { Parameters = parameters, Sites = Sites.Where(IsWithin), Holds = IsWithin } : throw new ArgumentException(
            $"The model has none of the modules {string.Join(", ", modules)}, which alone are to be tuned.");
    }

    /// <summary>Takes note of names that match nothing, as <see cref="CheckMatches"/>.</summary>
    /// <param name="option">What has them.</param>
    /// <param name="names">Names of modules, or ends of their paths.</param>
    /// <param name="paths">The modules that there are.</param>
    /// <exception cref="ArgumentException">There is one, and no tensor is about to be read.</exception>
    public void CheckNames(string option, IEnumerable<string> names, IReadOnlyCollection<string> paths) => CheckMatches(
    [
        .. names.Where(name => !paths.Any(path => TargetMatcher.ByName(path, [name])))
            .Select(name => $"{option}: '{name}' matches no module that the method tunes. Near names: {string.Join(", ", TargetMatcher.Near(name, paths))}."),
    ]);

    /// <summary>Takes note of settings that match nothing: an error, but where tensors are read, whose names decide, a warning.</summary>
    /// <param name="settings">A sentence for each.</param>
    /// <exception cref="ArgumentException">There is one, and no tensor is about to be read.</exception>
    public void CheckMatches(IReadOnlyList<string> settings)
    {
        if (Saved is null && settings.Count > 0)
            throw new ArgumentException(string.Join(' ', settings));
        foreach (string setting in settings)
            Warn?.Invoke($"{Saved!.Description}: {setting}");
    }

    /// <exception cref="NotSupportedException">Weights of the model itself would change, and are shared.</exception>
    public void CheckChanges(IReadOnlyList<Parameter> inPlace)
    {
        if (IsShared && inPlace.Count > 0)
        {
            throw new NotSupportedException(
                $"The adapter changes weights of the base itself ({string.Join(", ", inPlace.Take(5).Select(p => p.Name))}{(inPlace.Count > 5 ? ", ..." : "")}), "
                + "which other adapters share: merge it into a base of its own.");
        }
    }

    /// <summary>Whether a tensor is about to be read, so that nothing has to be worked out for it.</summary>
    public bool Brings(string name) => Saved?.Names.Contains(PeftNames.Prefix + name) == true;

    /// <summary>Refuses to make a tensor that differs from its saved one: a wrong size is noticed before it takes memory.</summary>
    /// <exception cref="InvalidDataException">The shapes differ.</exception>
    public void CheckSaved(string name, params long[] shape)
    {
        if (Brings(name))
            PeftNames.CheckShape(Saved!, PeftNames.Prefix + name, shape);
    }
}

/// <summary>
/// A method of fine-tuning. It fills slots of the model, owns what it adds, and says which parameters train.
/// </summary>
internal interface ITuner : IDisposable
{
    /// <summary>The stable name in archives.</summary>
    string Key { get; }

    /// <summary>False where no gradient flows into the base, so that a row's features can be computed once.</summary>
    bool TouchesBase { get; }

    /// <summary>Makes the tuner's own parameters and fills slots.</summary>
    /// <exception cref="ArgumentException">An option matches nothing in this model.</exception>
    /// <param name="target">The model.</param>
    /// <param name="seed">Seed of the parameters.</param>
    /// <param name="adapter">The name in the slots, by which calls choose it.</param>
    void Attach(TuningTarget target, long seed, string adapter = ForwardContext.DefaultAdapter);

    /// <summary>What trains: the tuner's own parameters, and weights of the model.</summary>
    IReadOnlyList<Parameter> Trainable { get; }

    /// <summary>Those of them that are the model's own: no other adapter can stand on the same base.</summary>
    IReadOnlyList<Parameter> InPlace => Trainable;

    /// <summary>Whether something of what trains is the tuner's own, which a call asks for by name.</summary>
    bool IsAdapter => Trainable.Count > InPlace.Count;

    /// <summary>
    /// What moves where the model is brought between what it was and what it has become, so that it goes
    /// straight: what trains, but for a factor whose product another moves. It is asked before the first step.
    /// </summary>
    IReadOnlyList<Parameter> Interpolated => Trainable;

    /// <summary>What merging makes of the model's weights, without doing it. A table that trained in its place was a tied head's too.</summary>
    IReadOnlyList<MergedWeight> MergedWeights() => [.. InPlace.Select(p => MergedWeight.Of(p.Name, p, p) with { HeadFollows = true })];

    /// <summary>
    /// The tuned tensors under the names that PEFT gives them. What has to be made for it belongs to the caller's dispose scope.
    /// </summary>
    IReadOnlyList<(string Name, Tensor Value)> Export();

    /// <summary>The settings with which <see cref="Export"/>'s tensors load on the base as it was.</summary>
    TunerOptions SettingsForExport(TunerOptions given) => given;

    /// <summary>Takes tuned tensors by PEFT's names; names or shapes that do not fit are an error.</summary>
    /// <exception cref="InvalidDataException">A tensor is missing, unexpected or of another shape.</exception>
    void Import(ITensorSource source);

    /// <summary>Folds what was learnt into the base weights where the method can; false where it cannot.</summary>
    bool TryMerge();

    /// <summary>Takes a merge back.</summary>
    void Unmerge();
}
