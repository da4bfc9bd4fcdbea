using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Checkpoints.Gguf;

/// <summary>A tensor of a GGUF file; <paramref name="Offset"/> counts from the start of the file.</summary>
internal sealed record GgufTensor(string Name, GgufType Type, long[] Shape, long Offset, long Bytes);

/// <summary>
/// A memory-mapped GGUF file under its own names. Its head is checked in full when opened; quantized tensors are decoded to single
/// precision one by one as they are read.
/// </summary>
internal sealed class GgufFile : ITensorSource
{
    public const string Extension = ".gguf";

    // Elements that one thread decodes at a stretch: a multiple of every block's size.
    private const int Stretch = 1 << 16;

    private readonly MappedFile _mapping;
    private readonly Dictionary<string, GgufTensor> _tensors;

    private GgufFile(MappedFile mapping, FileRegion region)
    {
        _mapping = mapping;
        Description = region.Path;
        Files = [region];
        (Metadata, _tensors) = GgufHead.Read(mapping, Description);
    }

    public string Description { get; }

    public IReadOnlyList<FileRegion> Files { get; }

    public GgufMetadata Metadata { get; }

    public IReadOnlyCollection<string> Names => _tensors.Keys;

    public static GgufFile Open(string path) => Open(path, 0, FileRegion.Target(path).Length);

    public static GgufFile Open(string path, long offset, long length)
    {
        MappedFile mapping = MappedFile.Open(path, offset, length);
        try
        {
            LfsPointer.Refuse(mapping, path);
            return new(mapping, new(path, offset, length));
        }
        catch
        {
            mapping.Dispose();
            throw;
        }
    }

    public bool Has(string name) => _tensors.ContainsKey(name);

    public long[] ShapeOf(string name) => Find(name).Shape;

    public ScalarType TypeOf(string name) => Find(name).Type is { Decode: null } type ? type.Element : ScalarType.Float32;

    public bool IsView(string name) => Find(name).Type.Decode is null;

    public Tensor Read(string name)
    {
        GgufTensor tensor = Find(name);
        return tensor.Type.Decode is { } decode ? Decode(tensor, decode) : _mapping.Tensor(tensor.Offset, tensor.Type.Element, tensor.Shape);
    }

    /// <summary>Whether two tensors are one and the same, written twice.</summary>
    public bool AreCopies(string first, string second)
    {
        (GgufTensor a, GgufTensor b) = (Find(first), Find(second));
        if (a.Type != b.Type || !a.Shape.SequenceEqual(b.Shape))
            return false;
        using MappedFile.Reading reading = _mapping.Read();
        for (long at = 0; at < a.Bytes; at += Stretch)
        {
            int count = (int)Math.Min(Stretch, a.Bytes - at);
            if (!reading.Span(a.Offset + at, count).SequenceEqual(reading.Span(b.Offset + at, count)))
                return false;
        }
        return true;
    }

    /// <summary>Writes the file as it is.</summary>
    public void CopyTo(Stream stream)
    {
        using MappedFile.Reading reading = _mapping.Read();
        for (long at = 0; at < _mapping.Length; at += Stretch)
            stream.Write(reading.Span(at, (int)Math.Min(Stretch, _mapping.Length - at)));
    }

    public void Dispose() => _mapping.Dispose();

    private unsafe Tensor Decode(GgufTensor tensor, BlockDecoder decode)
    {
        using MappedFile.Reading reading = _mapping.Read();
        Tensor values = NativeTensor.Empty(tensor.Shape);
        float* target = (float*)NativeTensor.Address(values);
        long count = values.numel();
        Parallel.For(0, (count + Stretch - 1) / Stretch, part =>
        {
            long first = part * Stretch;
            DecodeStretch(reading, tensor, decode, first, new(target + first, (int)Math.Min(Stretch, count - first)));
        });
        return values;
    }

    private static void DecodeStretch(MappedFile.Reading reading, GgufTensor tensor, BlockDecoder decode, long first, Span<float> values)
    {
        (int size, int bytes) = (tensor.Type.BlockSize, tensor.Type.BlockBytes);
        ReadOnlySpan<byte> blocks = reading.Span(tensor.Offset + first / size * bytes, values.Length / size * bytes);
        for (int at = 0; at < values.Length; at += size)
        {
            decode(blocks[..bytes], values.Slice(at, size));
            blocks = blocks[bytes..];
        }
    }

    private GgufTensor Find(string name) =>
        _tensors.TryGetValue(name, out GgufTensor? tensor) ? tensor : throw Malformed.NoTensor(Description, name);
}
