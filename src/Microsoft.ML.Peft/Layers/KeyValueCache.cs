using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>
/// Keys and values of the tokens that a decoder has read, layer by layer, in buffers that double when they are full. It belongs
/// to one text (or batch of texts) and travels in the <see cref="ForwardContext"/>.
/// </summary>
internal sealed class KeyValueCache(int layers) : IDisposable
{
    private const long FirstCapacity = 64;

    private readonly (Tensor Keys, Tensor Values)[] _buffers = new (Tensor, Tensor)[layers];
    private long _capacity;

    /// <summary>Tokens read so far, padding included.</summary>
    public long Length { get; private set; }

    /// <summary>True where a token is real [B, Length]; null when all are.</summary>
    public Tensor? Mask { get; private set; }

    /// <summary>Real tokens of each row [B, 1]; null when no row is padded.</summary>
    public Tensor? RealLengths => Mask?.sum(1, keepdim: true);

    /// <summary>Begins a pass over further tokens and gives the mask of all keys that it will see.</summary>
    /// <param name="rows">B</param>
    /// <param name="count">Tokens that come.</param>
    /// <param name="mask">True where one is real [B, count]; null when all are.</param>
    public Tensor? Extend(long rows, long count, Tensor? mask)
    {
        if (mask is not null || Mask is not null)
            Replace(cat([Mask ?? Real(rows, Length), mask ?? Real(rows, count)], 1));
        Length += count;
        return Mask;

        Tensor Real(long height, long width) => ones([height, width], ScalarType.Bool, (mask ?? Mask)!.device);
    }

    /// <summary>Adds a layer's keys and values [B, heads, count, size] of the pass, and gives all of that layer so far.</summary>
    public (Tensor Keys, Tensor Values) Append(int layer, Tensor keys, Tensor values)
    {
        long start = Length - keys.shape[2];
        Reserve();
        if (_buffers[layer].Keys is null)
            _buffers[layer] = (Buffer(keys), Buffer(values));
        var (allKeys, allValues) = _buffers[layer];
        Write(allKeys, keys, start);
        Write(allValues, values, start);
        return (allKeys.narrow(2, 0, Length), allValues.narrow(2, 0, Length));
    }

    /// <summary>Goes on with the given rows: other order, repeats (beams), without those that are done.</summary>
    /// <param name="rows">Indices, int64 [rows].</param>
    public void Keep(Tensor rows)
    {
        if (Mask is not null)
            Replace(Mask.index_select(0, rows));
        for (int i = 0; i < _buffers.Length; i++)
            Exchange(i, buffer => buffer.index_select(0, rows));
    }

    public void Dispose()
    {
        Mask?.Dispose();
        foreach (var (keys, values) in _buffers)
        {
            keys?.Dispose();
            values?.Dispose();
        }
    }

    private void Reserve()
    {
        if (Length <= _capacity)
            return;
        _capacity = Math.Max(FirstCapacity, Math.Max(Length, 2 * _capacity));
        for (int i = 0; i < _buffers.Length; i++)
            Exchange(i, Grown);
    }

    private void Exchange(int layer, Func<Tensor, Tensor> change)
    {
        var (keys, values) = _buffers[layer];
        if (keys is null)
            return;
        _buffers[layer] = (change(keys).DetachFromDisposeScope(), change(values).DetachFromDisposeScope());
        keys.Dispose();
        values.Dispose();
    }

    private Tensor Grown(Tensor old)
    {
        Tensor grown = Buffer(old);
        Write(grown, old, 0);
        return grown;
    }

    private Tensor Buffer(Tensor like) =>
        empty([like.shape[0], like.shape[1], _capacity, like.shape[3]], like.dtype, like.device).DetachFromDisposeScope();

    private static void Write(Tensor buffer, Tensor part, long start)
    {
        using Tensor place = buffer.narrow(2, start, part.shape[2]);
        place.copy_(part);
    }

    private void Replace(Tensor mask)
    {
        Mask?.Dispose();
        Mask = mask.DetachFromDisposeScope();
    }
}
