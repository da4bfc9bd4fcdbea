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
    private readonly IReadOnlyList<WeightMount> _mounts;
    private readonly Dictionary<string, Parameter> _parameters = new(StringComparer.Ordinal);
    private readonly Dictionary<string, QuantizedWeight> _quantized = new(StringComparer.Ordinal);
    private readonly Dictionary<CheckpointKey, (PackedMatrix Matrix, bool IsTransposed)> _packed = [];
    private readonly HashSet<CheckpointKey> _used = [];
    private readonly HashSet<string> _leftOut = new(StringComparer.Ordinal);
    private readonly List<string> _missing = [];
    private readonly Generator _generator;
    private readonly double _initialRange;

    /// <param name="mounts">Where weights come from; references to their checkpoints are taken over.</param>
    /// <param name="device">Where new weights are made.</param>
    /// <param name="initialRange">Standard deviation of new weights.</param>
    /// <param name="seed">Seed of new weights.</param>
    public ModelWeights(IReadOnlyList<WeightMount> mounts, Device device, double initialRange, long seed)
    {
        (_mounts, Device, _initialRange) = (mounts, device, initialRange);
        _generator = new Generator((ulong)seed, device);
    }

    /// <summary>Weights of one model from one checkpoint.</summary>
    public ModelWeights(
        SharedCheckpoint? checkpoint, string basePath, Device device, double initialRange, long seed, QuantizationOptions? quantization = null)
        : this([new WeightMount([basePath], checkpoint, quantization)], device, initialRange, seed)
    {
    }

    public Device Device { get; }

    public TuningSites Sites { get; } = new();

    public IReadOnlyCollection<Parameter> All => _parameters.Values;

    /// <summary>Matrices that are not kept as floats.</summary>
    public IReadOnlyCollection<QuantizedWeight> Quantized => _quantized.Values;

    /// <summary>How the base's matrices are kept; the first model's, where there are several.</summary>
    public QuantizationOptions? Quantization => _mounts[0].Quantization;

    /// <summary>The base's checkpoint; the first model's, where there are several.</summary>
    public SharedCheckpoint? Checkpoint => _mounts[0].Checkpoint;

    public WeightScope Root => new(this, "");

    public Parameter Load(string name, Init init, long[] shape)
    {
        if (_parameters.TryGetValue(name, out Parameter? known))
            return known;
        CheckpointKey? found = Used(name);
        NoteIfMissing(name, found);
        var parameter = found is { } key
            ? new Parameter(name, key.Checkpoint.Get(key.Name, shape), owned: false)
            : new Parameter(name, Fresh(init, shape), owned: true);
        return _parameters[name] = parameter;
    }

    /// <summary>A linear layer's matrix: packed where the checkpoint has it so, or where the base is to be quantized.</summary>
    /// <param name="name">The weight.</param>
    /// <param name="outputs">out</param>
    /// <param name="inputs">in</param>
    /// <param name="transposed">Whether float checkpoints hold it as [in, out].</param>
    public WeightStore LoadMatrix(string name, long outputs, long inputs, bool transposed) => Find(name) ?? Load(
        new MatrixRequest(name, outputs, inputs, transposed, MountOf(name)?.Quantization, IsVocabulary: false));

    /// <summary>A table of tokens, or the output matrix: packed where the checkpoint has it so, or where the vocabulary has a format of its own.</summary>
    public WeightStore LoadVocabulary(string name, long entries, long width) => Find(name) ?? Load(
        // A head that no checkpoint brings is to be trained.
        new MatrixRequest(
            name, entries, width, false, (MountOf(name) ?? (KeyOf(name) is { } key ? MountOf(key.Checkpoint) : null))?.Quantization?.OfVocabulary, IsVocabulary: true));

    /// <summary>
    /// The floats [out, in] that a packed matrix was made from, as the checkpoint holds them; null where it holds none. The caller's.
    /// </summary>
    public Tensor? FloatsOf(QuantizedWeight weight)
    {
        if (KeyOf(weight.Name) is not { } key || key.Checkpoint.IsPacked(key.Name))
            return null;
        using var scope = NewDisposeScope();
        Tensor read = key.Checkpoint.Stored.Read(key.Name).to(Device);
        return (weight.IsTransposed ? read.t() : read.alias()).MoveToOuterDisposeScope();
    }

    /// <summary>Whether a checkpoint brings the weight (under its own name, or without the base model's).</summary>
    public bool Brings(string name) => Used(name) is not null;

    /// <summary>The classifier that the checkpoint brings in a module; null where it brings none.</summary>
    /// <param name="module">The module's path.</param>
    /// <param name="matrix">The matrix in it whose rows are the classes.</param>
    public FolderClassifier? FindClassifier(string module, string matrix)
    {
        string name = $"{module}.{matrix}";
        if (Checkpoint is not { } checkpoint || checkpoint.Contains(name))
            return Checkpoint is null ? null : new FolderClassifier(name, (int)Checkpoint.ShapeOf(name)[0]);
        return checkpoint.Names.Order(StringComparer.Ordinal).FirstOrDefault(key => IsWithin(key, module)) is { } other ? new FolderClassifier(other, 0) : null;
    }

    /// <summary>Leaves out what the checkpoint brings in a module: its weights start anew.</summary>
    public void StartAnew(string module) => _leftOut.Add(module);

    /// <summary>Whether a weight is in a module that starts anew.</summary>
    public bool IsLeftOut(string name) => _leftOut.Any(module => IsWithin(name, module));

    /// <summary>Whether a weight belongs to a base model, and not to a head on it.</summary>
    public bool IsOfBase(string name) => MountOf(name) is not null;

    /// <summary>Refuses checkpoints that lack weights of the models, or hold others than these read.</summary>
    /// <param name="optional">Tells, by the name below the base's where that is one, what only some heads read.</param>
    /// <exception cref="InvalidDataException">The names do not fit; the message lists them.</exception>
    public void CheckComplete(Predicate<string> optional)
    {
        foreach (WeightMount mount in _mounts)
        {
            mount.Checkpoint?.ThrowIfIncomplete(
                _missing.Where(name => mount.Holds(name) && !optional(mount.BareName(name))),
                mount.UnreadNames(name => _used.Contains(new(mount.Checkpoint, name)), optional));
        }
    }

    /// <summary>The checkpoints' tensors, packed where the model keeps them so. What has to be made belongs to the caller's scope.</summary>
    public IEnumerable<(string Name, Tensor Value)> BaseTensors() => Checkpoints.SelectMany(checkpoint => checkpoint.Names.Order(StringComparer.Ordinal)
        .Where(name => !_packed.Keys.Any(key => ReferenceEquals(key.Checkpoint, checkpoint) && QuantStateFile.IsPartOf(name, key.Name)))
        .SelectMany(name => _packed.TryGetValue(new(checkpoint, name), out var packed)
            ? packed.Matrix.Export(name, packed.IsTransposed) : [(name, checkpoint.Get(name))]));

    public void Dispose()
    {
        foreach (Parameter parameter in _parameters.Values)
            parameter.Dispose();
        foreach (QuantizedWeight weight in _quantized.Values)
            weight.Dispose();
        foreach (WeightMount mount in _mounts)
            mount.Checkpoint?.Dispose();
        _generator.Dispose();
    }

    /// <summary>Where a weight lies; null where no checkpoint has it.</summary>
    public CheckpointKey? KeyOf(string name)
    {
        if (IsLeftOut(name))
            return null;
        if (MountOf(name) is { } mount)
            return mount.KeyOf(name);
        SharedCheckpoint? holder = Checkpoints.FirstOrDefault(checkpoint => checkpoint.Contains(name));
        return holder is null ? null : new CheckpointKey(holder, name);
    }

    private static bool IsWithin(string name, string module) => name.StartsWith(module + ".", StringComparison.Ordinal);

    private IEnumerable<SharedCheckpoint> Checkpoints => _mounts.Select(mount => mount.Checkpoint).OfType<SharedCheckpoint>().Distinct();

    private WeightMount? MountOf(string name) => _mounts.FirstOrDefault(mount => mount.Holds(name));

    private WeightMount MountOf(SharedCheckpoint checkpoint) => _mounts.First(mount => ReferenceEquals(mount.Checkpoint, checkpoint));

    private void NoteIfMissing(string name, CheckpointKey? found)
    {
        if (found is null && MountOf(name) is { Checkpoint: not null })
            _missing.Add(name);
    }

    private QuantizedWeight? Find(string name) => _quantized.GetValueOrDefault(name);

    private WeightStore Load(MatrixRequest asked)
    {
        var (name, outputs, inputs, transposed, options, vocabulary) = asked;
        CheckpointKey? found = Used(name);
        bool packed = found is { } place && place.Checkpoint.IsPacked(place.Name);
        if (!packed && options is null)
            return new DenseWeight(Load(name, Init.Normal, transposed ? [inputs, outputs] : [outputs, inputs]), transposed);
        NoteIfMissing(name, found);
        if (found is not { } key)
        {
            PackedMatrix fresh = Pack(Fresh(Init.Normal, [outputs, inputs]), options!, name);
            return _quantized[name] = new QuantizedWeight(name, fresh, owned: true, transposed, options) { IsVocabulary = vocabulary };
        }
        if (packed)
            _used.UnionWith(key.Checkpoint.Names.Where(part => QuantStateFile.IsPartOf(part, key.Name)).Select(part => key with { Name = part }));
        PackedMatrix matrix = key.Checkpoint.GetPacked(key.Name, outputs, inputs, transposed, options);
        _packed[key] = (matrix, transposed);
        return _quantized[name] = new QuantizedWeight(name, matrix, owned: false, transposed, options) { IsVocabulary = vocabulary };
    }

    private CheckpointKey? Used(string name)
    {
        CheckpointKey? found = KeyOf(name);
        if (found is { } key)
            _used.Add(key);
        return found;
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
