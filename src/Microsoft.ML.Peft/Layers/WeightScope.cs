using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Quantization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>A classifier in a checkpoint.</summary>
/// <param name="Name">Its matrix, or a weight that stands in its place.</param>
/// <param name="Classes">The rows of its matrix; 0 where it has another form.</param>
internal sealed record FolderClassifier(string Name, int Classes);

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
    private readonly Dictionary<string, QuantizedWeight> _quantized = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (PackedMatrix Matrix, bool IsTransposed)> _packed = new(StringComparer.Ordinal);
    private readonly HashSet<string> _used = new(StringComparer.Ordinal);
    private readonly HashSet<string> _leftOut = new(StringComparer.Ordinal);
    private readonly List<string> _missing = [];
    private readonly Generator _generator;
    private readonly double _initialRange;

    /// <param name="checkpoint">Where weights come from (a reference is taken over); null to start at random.</param>
    /// <param name="basePrefix">The name of the base model (<c>bert</c>), which a bare checkpoint's keys lack.</param>
    /// <param name="device">Where new weights are made.</param>
    /// <param name="initialRange">Standard deviation of new weights.</param>
    /// <param name="seed">Seed of new weights.</param>
    /// <param name="quantization">How the base's matrices are kept; null for floats. Those that a checkpoint has packed stay so.</param>
    public ModelWeights(
        SharedCheckpoint? checkpoint, string basePrefix, Device device, double initialRange, long seed, QuantizationOptions? quantization = null)
    {
        Quantization = quantization;
        (_checkpoint, BasePrefix, Device, _initialRange) = (checkpoint, basePrefix + ".", device, initialRange);
        _generator = new Generator((ulong)seed, device);
    }

    public string BasePrefix { get; }

    public Device Device { get; }

    public TuningSites Sites { get; } = new();

    public IReadOnlyCollection<Parameter> All => _parameters.Values;

    /// <summary>Matrices that are not kept as floats.</summary>
    public IReadOnlyCollection<QuantizedWeight> Quantized => _quantized.Values;

    public QuantizationOptions? Quantization { get; }

    public SharedCheckpoint? Checkpoint => _checkpoint;

    public WeightScope Root => new(this, "");

    public Parameter Load(string name, Init init, long[] shape)
    {
        if (_parameters.TryGetValue(name, out Parameter? known))
            return known;
        string? key = Used(name);
        if (key is null && _checkpoint is not null && IsOfBase(name))
            _missing.Add(name);
        var parameter = key is null
            ? new Parameter(name, Fresh(init, shape), owned: true)
            : new Parameter(name, _checkpoint!.Get(key, shape), owned: false);
        return _parameters[name] = parameter;
    }

    /// <summary>A linear layer's matrix: packed where the checkpoint has it so, or where the base is to be quantized.</summary>
    /// <param name="name">The weight.</param>
    /// <param name="outputs">out</param>
    /// <param name="inputs">in</param>
    /// <param name="transposed">Whether float checkpoints hold it as [in, out].</param>
    public WeightStore LoadMatrix(string name, long outputs, long inputs, bool transposed) => Find(name) ?? Load(
        new MatrixRequest(name, outputs, inputs, transposed, IsOfBase(name) ? Quantization : null, IsVocabulary: false));

    /// <summary>A table of tokens, or the output matrix: packed where the checkpoint has it so, or where the vocabulary has a format of its own.</summary>
    public WeightStore LoadVocabulary(string name, long entries, long width) => Find(name) ?? Load(
        // A head that no checkpoint brings is to be trained.
        new MatrixRequest(name, entries, width, false, IsOfBase(name) || KeyOf(name) is not null ? Quantization?.OfVocabulary : null, IsVocabulary: true));

    /// <summary>
    /// The floats [out, in] that a packed matrix was made from, as the checkpoint holds them; null where it holds none. The caller's.
    /// </summary>
    public Tensor? FloatsOf(QuantizedWeight weight)
    {
        if (KeyOf(weight.Name) is not { } key || _checkpoint!.IsPacked(key))
            return null;
        using var scope = NewDisposeScope();
        Tensor read = _checkpoint.Stored.Read(key).to(Device);
        return (weight.IsTransposed ? read.t() : read.alias()).MoveToOuterDisposeScope();
    }

    /// <summary>Whether the checkpoint brings the weight (under its own name, or without the base model's prefix).</summary>
    public bool Brings(string name) => Used(name) is not null;

    /// <summary>The classifier that the checkpoint brings in a module; null where it brings none.</summary>
    /// <param name="module">The module's path.</param>
    /// <param name="matrix">The matrix in it whose rows are the classes.</param>
    public FolderClassifier? FindClassifier(string module, string matrix)
    {
        string name = $"{module}.{matrix}";
        if (_checkpoint is null || _checkpoint.Contains(name))
            return _checkpoint is null ? null : new FolderClassifier(name, (int)_checkpoint.ShapeOf(name)[0]);
        return _checkpoint.Names.Order(StringComparer.Ordinal).FirstOrDefault(key => IsWithin(key, module)) is { } other ? new FolderClassifier(other, 0) : null;
    }

    /// <summary>Leaves out what the checkpoint brings in a module: its weights start anew.</summary>
    public void StartAnew(string module) => _leftOut.Add(module);

    /// <summary>Whether a weight is in a module that starts anew.</summary>
    public bool IsLeftOut(string name) => _leftOut.Any(module => IsWithin(name, module));

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

    /// <summary>The checkpoint's tensors, packed where the model keeps them so. What has to be made belongs to the caller's scope.</summary>
    public IEnumerable<(string Name, Tensor Value)> BaseTensors() => _checkpoint!.Names.Order(StringComparer.Ordinal)
        .Where(name => !_packed.Keys.Any(key => QuantStateFile.IsPartOf(name, key)))
        .SelectMany(name => _packed.TryGetValue(name, out var packed) ? packed.Matrix.Export(name, packed.IsTransposed) : [(name, _checkpoint.Get(name))]);

    public void Dispose()
    {
        foreach (Parameter parameter in _parameters.Values)
            parameter.Dispose();
        foreach (QuantizedWeight weight in _quantized.Values)
            weight.Dispose();
        _checkpoint?.Dispose();
        _generator.Dispose();
    }

    /// <summary>A weight's name in the checkpoint; null where it has none.</summary>
    public string? KeyOf(string name)
    {
        if (_checkpoint is null || IsLeftOut(name))
            return null;
        string[] candidates = IsOfBase(name) ? [name, name[BasePrefix.Length..]] : [name];
        return Array.Find(candidates, _checkpoint.Contains);
    }

    private static bool IsWithin(string name, string module) => name.StartsWith(module + ".", StringComparison.Ordinal);

    private bool IsOfBase(string name) => name.StartsWith(BasePrefix, StringComparison.Ordinal);

    private QuantizedWeight? Find(string name) => _quantized.GetValueOrDefault(name);

    private WeightStore Load(MatrixRequest asked)
    {
        var (name, outputs, inputs, transposed, options, vocabulary) = asked;
        string? key = Used(name);
        bool packed = key is not null && _checkpoint!.IsPacked(key);
        if (!packed && options is null)
            return new DenseWeight(Load(name, Init.Normal, transposed ? [inputs, outputs] : [outputs, inputs]), transposed);
        if (packed)
            _used.UnionWith(_checkpoint!.Names.Where(part => QuantStateFile.IsPartOf(part, key!)));
        if (key is null && _checkpoint is not null)
            _missing.Add(name);
        PackedMatrix matrix = key is null
            ? Pack(Fresh(Init.Normal, [outputs, inputs]), options!, name)
            : _checkpoint!.GetPacked(key, outputs, inputs, transposed, options);
        if (key is not null)
            _packed[key] = (matrix, transposed);
        return _quantized[name] = new QuantizedWeight(name, matrix, owned: key is null, transposed, options) { IsVocabulary = vocabulary };
    }

    private string? Used(string name)
    {
        string? key = KeyOf(name);
        if (key is not null)
            _used.Add(key);
        return key;
    }

    private static PackedMatrix Pack(Tensor weight, QuantizationOptions options, string name)
    {
        using (weight)
            return Quantizer.Quantize(weight, options, name);
    }

    private Tensor Fresh(Init init, long[] shape)
    {
        using var noGrad = no_grad();
        Tensor value = init switch
        {
            Init.Zeros => zeros(shape, ScalarType.Float32, Device),
            Init.Ones => ones(shape, ScalarType.Float32, Device),
            _ => normal(0, _initialRange, shape, ScalarType.Float32, Device, generator: _generator),
        };
        return value.DetachFromDisposeScope();
    }

    /// <param name="Name">The weight.</param>
    /// <param name="Outputs">out</param>
    /// <param name="Inputs">in</param>
    /// <param name="IsTransposed">Whether float checkpoints hold it as [in, out].</param>
    /// <param name="Options">How it is kept; null for floats.</param>
    /// <param name="IsVocabulary">Whether its rows are the vocabulary's.</param>
    private sealed record MatrixRequest(string Name, long Outputs, long Inputs, bool IsTransposed, QuantizationOptions? Options, bool IsVocabulary);
}

/// <summary>The part of a model's weights below one module path.</summary>
internal readonly struct WeightScope(ModelWeights weights, string path)
{
    public string Path { get; } = path;

    public TuningSites Sites => weights.Sites;

    public WeightScope this[string name] => new(weights, Path.Length == 0 ? name : Path + "." + name);

    public Parameter Load(string name, Init init, params long[] shape) => weights.Load(this[name].Path, init, shape);

    /// <summary>The matrix of a linear layer, in the way in which the model keeps it.</summary>
    public WeightStore LoadMatrix(long outputs, long inputs, bool transposed = false) =>
        weights.LoadMatrix(this["weight"].Path, outputs, inputs, transposed);

    /// <summary>A matrix whose rows are the vocabulary's, in the way in which the model keeps it.</summary>
    public WeightStore LoadVocabulary(long entries, long width) => weights.LoadVocabulary(this["weight"].Path, entries, width);
}
