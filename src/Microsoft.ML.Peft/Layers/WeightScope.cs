using Microsoft.ML.Peft.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>How a weight starts that no checkpoint brings.</summary>
internal enum Init { Normal, Zeros, Ones }

/// <summary>
/// The weights of one model by name, and the places where tuners attach. Modules take their weights from here while they
/// are built, so nothing is allocated twice and a checkpoint's key is a module's path.
/// </summary>
internal sealed class ModelWeights : IDisposable
{
    private readonly SharedCheckpoint? _checkpoint;
    private readonly Dictionary<string, Parameter> _parameters = new(StringComparer.Ordinal);
    private readonly HashSet<string> _used = new(StringComparer.Ordinal);
    private readonly List<string> _missing = [];
    private readonly Generator _generator;
    private readonly double _initialRange;

    /// <param name="checkpoint">Where weights come from (a reference is taken over); null to start at random.</param>
    /// <param name="basePrefix">The name of the base model (<c>bert</c>), which a bare checkpoint's keys lack.</param>
    /// <param name="device">Where new weights are made.</param>
    /// <param name="initialRange">Standard deviation of new weights.</param>
    /// <param name="seed">Seed of new weights.</param>
    public ModelWeights(SharedCheckpoint? checkpoint, string basePrefix, Device device, double initialRange, long seed)
    {
        (_checkpoint, BasePrefix, Device, _initialRange) = (checkpoint, basePrefix + ".", device, initialRange);
        _generator = new Generator((ulong)seed, device);
    }

    public string BasePrefix { get; }

    public Device Device { get; }

    public TuningSites Sites { get; } = new();

    public IReadOnlyCollection<Parameter> All => _parameters.Values;

    public SharedCheckpoint? Checkpoint => _checkpoint;

    public WeightScope Root => new(this, "");

    public Parameter Load(string name, Init init, long[] shape)
    {
        if (_parameters.TryGetValue(name, out Parameter? known))
            return known;
        string? key = Used(name);
        if (key is null && _checkpoint is not null && name.StartsWith(BasePrefix, StringComparison.Ordinal))
            _missing.Add(name);
        var parameter = key is null
            ? new Parameter(name, Fresh(init, shape), owned: true)
            : new Parameter(name, _checkpoint!.Get(key, shape), owned: false);
        return _parameters[name] = parameter;
    }

    /// <summary>Whether the checkpoint brings the weight (under its own name, or without the base model's prefix).</summary>
    public bool Brings(string name) => Used(name) is not null;

    /// <summary>Refuses a checkpoint whose base lacks weights or holds others than the model reads.</summary>
    /// <param name="optional">Tells, by the name without the base prefix, what only some heads read.</param>
    /// <exception cref="InvalidDataException">The names do not fit; the message lists them.</exception>
    public void CheckComplete(Predicate<string> optional)
    {
        if (_checkpoint is null)
            return;
        bool prefixed = _checkpoint.Names.Any(n => n.StartsWith(BasePrefix, StringComparison.Ordinal));
        var unexpected = _checkpoint.Names
            .Where(n => !_used.Contains(n) && (!prefixed || n.StartsWith(BasePrefix, StringComparison.Ordinal)))
            .Where(n => !optional(prefixed ? n[BasePrefix.Length..] : n));
        _checkpoint.ThrowIfIncomplete(_missing.Where(n => !optional(n[BasePrefix.Length..])), unexpected);
    }

    public void Dispose()
    {
        foreach (Parameter parameter in _parameters.Values)
            parameter.Dispose();
        _checkpoint?.Dispose();
        _generator.Dispose();
    }

    /// <summary>A weight's name in the checkpoint; null where it has none.</summary>
    public string? KeyOf(string name)
    {
        if (_checkpoint is null)
            return null;
        string[] candidates = name.StartsWith(BasePrefix, StringComparison.Ordinal) ? [name, name[BasePrefix.Length..]] : [name];
        return Array.Find(candidates, _checkpoint.Contains);
    }

    private string? Used(string name)
    {
        string? key = KeyOf(name);
        if (key is not null)
            _used.Add(key);
        return key;
    }

    private Tensor Fresh(Init init, long[] shape)
    {
        using var noGrad = no_grad();
        Tensor value = init switch
        {
            Init.Zeros => zeros(shape, device: Device),
            Init.Ones => ones(shape, device: Device),
            _ => normal(0, _initialRange, shape, generator: _generator, device: Device),
        };
        return value.DetachFromDisposeScope();
    }
}

/// <summary>The part of a model's weights below one module path.</summary>
internal readonly struct WeightScope(ModelWeights weights, string path)
{
    public string Path { get; } = path;

    public TuningSites Sites => weights.Sites;

    public WeightScope this[string name] => new(weights, Path.Length == 0 ? name : Path + "." + name);

    public Parameter Load(string name, Init init, params long[] shape) => weights.Load(this[name].Path, init, shape);
}
