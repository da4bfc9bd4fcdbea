using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Quantization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Weights;

/// <summary>The weights behind all <see cref="SharedCheckpoint"/> handles of one base: each is converted and placed once.</summary>
/// <param name="source">Where they come from.</param>
/// <param name="device">Where they go.</param>
/// <param name="dtype">The type of the floats.</param>
/// <param name="defersPacking">Whether a matrix that is to be quantized is so each time it is used, and not kept.</param>
internal sealed class PlacedWeights(ITensorSource source, Device device, ScalarType dtype, bool defersPacking = false) : IDisposable
{
    private readonly Dictionary<string, Tensor> _placed = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Name, string Format), PackedMatrix> _packed = [];
    private readonly HashSet<string> _names = new(source.Names, StringComparer.Ordinal);
    private readonly HashSet<string> _finite = new(StringComparer.Ordinal);
    private string? _hash;
    private bool _disposed;

    public ITensorSource Source { get; } = source;

    public Device Device { get; } = device;

    public ScalarType Type { get; } = dtype;

    /// <summary>What weights take that were read and are no view of the source: converted, or placed elsewhere.</summary>
    public long CopiedBytes { get; private set; }

    public bool Contains(string name) => _names.Contains(name);

    public Tensor Get(string name, ReadOnlySpan<long> expectedShape)
    {
        CheckShape(name, expectedShape);
        // One at a time, so that no more than one tensor exists twice.
        lock (_placed)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (!_placed.TryGetValue(name, out Tensor? tensor))
                _placed.Add(name, tensor = Place(name));
            return tensor;
        }
    }

    /// <summary>A matrix [out, in] in few bits: the checkpoint's own, or its floats quantized, of which no copy stays.</summary>
    public PackedMatrix GetPacked(string name, long outputs, long inputs, bool transposed, QuantizationOptions? options)
    {
        bool own = QuantStateFile.Has(_names, name);
        string format = own ? "" : options!.Key;
        lock (_placed)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (!_packed.TryGetValue((name, format), out PackedMatrix? matrix))
            {
                matrix = own ? QuantStateFile.Read(Source, name, outputs, inputs, Device) : Pack(name, transposed ? [inputs, outputs] : [outputs, inputs], transposed, options!);
                _packed.Add((name, format), matrix);
            }
            return matrix;
        }
    }

    /// <summary>Refuses weights in use that are no numbers; each is looked at once.</summary>
    /// <exception cref="InvalidDataException">A value is NaN or infinite; the message names the tensor.</exception>
    public void CheckFinite()
    {
        lock (_placed)
        {
            foreach (var (name, tensor) in _placed.Where(weight => !_finite.Contains(weight.Key)))
            {
                FiniteWeights.Check(tensor, Source.Description, name);
                _finite.Add(name);
            }
        }
    }

    public string ContentHash()
    {
        lock (_names)
            return _hash ??= Checkpoints.ContentHash.Of(Source);
    }

    public void Dispose()
    {
        lock (_placed)
        {
            _disposed = true;
            foreach (Tensor tensor in _placed.Values)
                tensor.Dispose();
            _placed.Clear();
            foreach (PackedMatrix matrix in _packed.Values)
                matrix.Dispose();
            _packed.Clear();
        }
        Source.Dispose();
    }

    private void CheckShape(string name, ReadOnlySpan<long> expected)
    {
        long[] shape = Source.ShapeOf(name);
        if (expected.Length > 0 && !expected.SequenceEqual(shape))
            throw Malformed.Tensor(Source.Description, name, $"shape {Malformed.Shape(expected.ToArray())}", Malformed.Shape(shape));
    }

    private PackedMatrix Pack(string name, long[] shape, bool transposed, QuantizationOptions options)
    {
        CheckShape(name, shape);
        var deferred = new DeferredMatrix(
            () => ReadMatrix(name, transposed), Source.TypeOf(name), options, $"{Source.Description}: {name}",
            transposed ? (shape[1], shape[0]) : (shape[0], shape[1]));
        return defersPacking ? deferred : deferred.Pack();
    }

    private Tensor ReadMatrix(string name, bool transposed)
    {
        Tensor matrix = Source.Read(name);
        FiniteWeights.Check(matrix, Source.Description, name);
        return (transposed ? matrix.t() : matrix).to(Device);
    }

    private Tensor Place(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor tensor = Source.Read(name);
        ScalarType type = tensor.is_floating_point() ? Type : tensor.dtype;
        Tensor placed = tensor.to(type, Device);
        placed.requires_grad = false;
        if (type != tensor.dtype || Device.type != DeviceType.CPU || !Source.IsView(name))
            CopiedBytes += placed.numel() * placed.element_size();
        return placed.DetachFromDisposeScope();
    }
}
