using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Quantization;
using Microsoft.ML.Peft.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>A model's matrices that are not kept as floats.</summary>
internal sealed class PackedWeights(WeightSources sources, NewWeights fresh) : IDisposable
{
    private readonly Dictionary<string, QuantizedWeight> _weights = new(StringComparer.Ordinal);
    private readonly Dictionary<CheckpointKey, (PackedMatrix Matrix, bool IsTransposed)> _places = [];

    public IReadOnlyCollection<QuantizedWeight> All => _weights.Values;

    /// <summary>A matrix that its checkpoint has packed, or that is to be quantized; null where it is floats and stays so.</summary>
    public QuantizedWeight? Load(MatrixRequest asked)
    {
        var (name, outputs, inputs, transposed, options, vocabulary) = asked;
        if (_weights.TryGetValue(name, out QuantizedWeight? known))
            return known;
        bool isPacked = sources.Find(name) is { } found && found.Checkpoint.IsPacked(found.Name);
        if (!isPacked && options is null)
            return null;
        CheckpointKey? place = sources.Take(name);
        PackedMatrix matrix = place is { } key ? Held(key, asked, isPacked) : Pack(fresh.Make(Init.Normal, [outputs, inputs]), options!, name);
        return _weights[name] = new QuantizedWeight(name, matrix, owned: place is null, transposed, options) { IsVocabulary = vocabulary };
    }

    /// <summary>
    /// The floats [out, in] that a packed matrix was made from, as the checkpoint holds them; null where it holds none. The caller's.
    /// </summary>
    public Tensor? FloatsOf(QuantizedWeight weight)
    {
        if (sources.KeyOf(weight.Name) is not { } key || key.Checkpoint.IsPacked(key.Name))
            return null;
        using var scope = NewDisposeScope();
        Tensor read = key.Checkpoint.Stored.Read(key.Name).to(fresh.Device);
        return (weight.IsTransposed ? read.t() : read.alias()).MoveToOuterDisposeScope();
    }

    /// <summary>A base's tensors, packed where the model keeps them so. What has to be made belongs to the caller's scope.</summary>
    public IEnumerable<(string Name, Tensor Value)> TensorsOf(WeightMount mount) => mount.Checkpoint is not { } checkpoint ? [] : checkpoint.Names
        .Where(name => sources.IsOf(mount, name)).Order(StringComparer.Ordinal)
        .Where(name => !_places.Keys.Any(key => ReferenceEquals(key.Checkpoint, checkpoint) && QuantStateFile.IsPartOf(name, key.Name)))
        .SelectMany(name => _places.TryGetValue(new(checkpoint, name), out var packed)
            ? packed.Matrix.Export(name, packed.IsTransposed) : [(name, checkpoint.Get(name))]);

    public void Dispose()
    {
        foreach (QuantizedWeight weight in _weights.Values)
            weight.Dispose();
    }

    private PackedMatrix Held(CheckpointKey key, MatrixRequest asked, bool isPacked)
    {
        if (isPacked)
            sources.TakeParts(key);
        PackedMatrix matrix = key.Checkpoint.GetPacked(key.Name, asked.Outputs, asked.Inputs, asked.IsTransposed, asked.Options);
        _places[key] = (matrix, asked.IsTransposed);
        return matrix;
    }

    private static PackedMatrix Pack(Tensor weight, QuantizationOptions options, string name)
    {
        using (weight)
            return Quantizer.Quantize(weight, options, name);
    }
}

/// <summary>A matrix that a model asks for.</summary>
/// <param name="Name">The weight.</param>
/// <param name="Outputs">out</param>
/// <param name="Inputs">in</param>
/// <param name="IsTransposed">Whether float checkpoints hold it as [in, out].</param>
/// <param name="Options">How it is kept; null for floats.</param>
/// <param name="IsVocabulary">Whether its rows are the vocabulary's.</param>
internal sealed record MatrixRequest(string Name, long Outputs, long Inputs, bool IsTransposed, QuantizationOptions? Options, bool IsVocabulary);
