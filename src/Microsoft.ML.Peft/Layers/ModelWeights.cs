using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Quantization;
using Microsoft.ML.Peft.Weights;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>
/// The weights of one model by name, and the places where tuners attach. Modules take their weights from here while they
/// are built, so nothing is allocated twice and a checkpoint's key is a module's path.
/// </summary>
internal sealed class ModelWeights : IDisposable
{
    private readonly Dictionary<string, Parameter> _parameters = new(StringComparer.Ordinal), _constants = new(StringComparer.Ordinal);
    private readonly NewWeights _fresh;
    private readonly PackedWeights _packed;

    /// <param name="mounts">Where weights come from; references to their checkpoints are taken over.</param>
    /// <param name="device">Where new weights are made.</param>
    /// <param name="initialRange">Standard deviation of new weights.</param>
    /// <param name="seed">Seed of new weights.</param>
    public ModelWeights(IReadOnlyList<WeightMount> mounts, Device device, double initialRange, long seed)
    {
        Sources = new WeightSources(mounts);
        _fresh = new NewWeights(device, initialRange, seed);
        _packed = new PackedWeights(Sources, _fresh);
    }

    /// <summary>Weights of one model from one checkpoint.</summary>
    public ModelWeights(
        SharedCheckpoint? checkpoint, string basePath, Device device, double initialRange, long seed, QuantizationOptions? quantization = null)
        : this([new WeightMount([basePath], checkpoint, quantization)], device, initialRange, seed)
    {
    }

    public Device Device => _fresh.Device;

    public TuningSites Sites { get; } = new();

    /// <summary>Where they lie.</summary>
    public WeightSources Sources { get; }

    public IReadOnlyCollection<Parameter> All => _parameters.Values;

    /// <summary>Numbers beside the weights that no training changes, such as a batch norm's statistics.</summary>
    public IReadOnlyCollection<Parameter> Constants => _constants.Values;

    /// <summary>Matrices that are not kept as floats.</summary>
    public IReadOnlyCollection<QuantizedWeight> Quantized => _packed.All;

    /// <summary>How the base's matrices are kept; the first model's, where there are several.</summary>
    public QuantizationOptions? Quantization => Sources.First.Quantization;

    /// <summary>The base's checkpoint; the first model's, where there are several.</summary>
    public SharedCheckpoint? Checkpoint => Sources.First.Checkpoint;

    public WeightScope Root => new(this, "");

    /// <summary>Where a model stands that is no part of another.</summary>
    public static implicit operator WeightScope(ModelWeights weights) => weights.Root;

    public Parameter Load(string name, Init init, long[] shape) => Load(_parameters, name, init, shape);

    /// <summary>Numbers that no training changes.</summary>
    public Parameter LoadConstant(string name, Init init, long[] shape) => Load(_constants, name, init, shape);

    /// <summary>A linear layer's matrix: packed where the checkpoint has it so, or where the base is to be quantized.</summary>
    /// <param name="name">The weight.</param>
    /// <param name="outputs">out</param>
    /// <param name="inputs">in</param>
    /// <param name="transposed">Whether float checkpoints hold it as [in, out].</param>
    public WeightStore LoadMatrix(string name, long outputs, long inputs, bool transposed) =>
        Load(new MatrixRequest(name, outputs, inputs, transposed, Sources.QuantizationOf(name), IsVocabulary: false));

    /// <summary>A table of tokens, or the output matrix: packed where the checkpoint has it so, or where the vocabulary has a format of its own.</summary>
    public WeightStore LoadVocabulary(string name, long entries, long width) =>
        Load(new MatrixRequest(name, entries, width, false, Sources.VocabularyQuantizationOf(name), IsVocabulary: true));

    /// <inheritdoc cref="PackedWeights.FloatsOf"/>
    public Tensor? FloatsOf(QuantizedWeight weight) => _packed.FloatsOf(weight);

    /// <summary>The checkpoints' tensors, packed where the model keeps them so. What has to be made belongs to the caller's scope.</summary>
    public IEnumerable<(string Name, Tensor Value)> BaseTensors() => Sources.Mounts.SelectMany(BaseTensors);

    /// <summary>Those of one base.</summary>
    public IEnumerable<(string Name, Tensor Value)> BaseTensors(WeightMount mount) => _packed.TensorsOf(mount);

    public void Dispose()
    {
        foreach (Parameter parameter in _parameters.Values.Concat(_constants.Values))
            parameter.Dispose();
        _packed.Dispose();
        Sources.Dispose();
        _fresh.Dispose();
    }

    private Parameter Load(Dictionary<string, Parameter> kind, string name, Init init, long[] shape)
    {
        if (kind.TryGetValue(name, out Parameter? known))
            return known;
        var parameter = Sources.Take(name) is { } key
            ? new Parameter(name, key.Checkpoint.Get(key.Name, shape), owned: false)
            : new Parameter(name, _fresh.Make(init, shape), owned: true);
        return kind[name] = parameter;
    }

    private WeightStore Load(MatrixRequest asked)
    {
        var (name, outputs, inputs, transposed, _, _) = asked;
        return (WeightStore?)_packed.Load(asked) ?? new DenseWeight(Load(name, Init.Normal, transposed ? [inputs, outputs] : [outputs, inputs]), transposed);
    }
}
