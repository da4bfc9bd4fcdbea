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

    /// <summary>Whether a layer has read nothing yet.</summary>
    public bool IsEmpty(int layer) => _buffers[layer].Keys is null;

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
    public (Tensor Keys, Tensor Values) Append(int layer, (Tensor Keys, Tensor Values) of)
    {
        var (keys, values) = of;
        long count = keys.size(2), start = Length - count;
        Reserve();
        if (_buffers[layer].Keys is null)
            _buffers[layer] = (Buffer(keys), Buffer(values));
        var (allKeys, allValues) = _buffers[layer];
        Write(allKeys, keys, start, count);
        Write(allValues, values, start, count);
        return (allKeys.narrow(2, 0, Length), allValues.narrow(2, 0, Length));
    }

    /// <summary>
    /// Goes on with the given rows: other order, repeats (beams), without those that are done. Padding that all of them begin with goes.
    /// </summary>
    /// <param name="rows">Their indices.</param>
    public void Keep(long[] rows)
    {
        if (_buffers[0].Keys is not { } first)
            return;
        using Tensor index = tensor(rows, ScalarType.Int64, first.device);
        long padding = Mask is null ? 0 : KeepMask(index);
        if (padding == 0 && rows.Length == first.size(0))
        {
            Move(RowMoves.Of(rows));
            return;
        }
        Length -= padding;
        _capacity -= padding;
        for (int i = 0; i < _buffers.Length; i++)
            Exchange(i, buffer => Kept(buffer, padding, index));
    }

    /// <summary>The rows of several caches in one, in their order; shorter ones are padded on the left. The caches stay as they are.</summary>
    public static KeyValueCache Join(IReadOnlyList<KeyValueCache> caches)
    {
        var joined = new KeyValueCache(caches[0]._buffers.Length)
        {
            Length = caches.Max(cache => cache.Length),
            _capacity = caches.Max(cache => cache._capacity),
        };
        for (int i = 0; i < joined._buffers.Length; i++)
        {
            int layer = i;
            joined._buffers[i] = (joined.Gather(caches, cache => cache._buffers[layer].Keys), joined.Gather(caches, cache => cache._buffers[layer].Values));
        }
        if (caches.Any(cache => cache.Mask is not null || cache.Length < joined.Length))
            joined.Replace(joined.GatherMasks(caches));
        return joined;
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

    // Gives the columns before the first that is real in any of the rows.
    private long KeepMask(Tensor rows)
    {
        using var scope = NewDisposeScope();
        Tensor kept = Mask!.index_select(0, rows);
        long padding = kept.any(0).to(ScalarType.Int64).argmax(0).item<long>();
        kept = kept.narrow(1, padding, Length - padding);
        if (kept.all().item<bool>())
            Forget();
        else
            Replace(kept.clone());
        return padding;
    }

    // As many rows as before: what stays is not touched, and nothing behind the last token is copied.
    private void Move(IReadOnlyList<RowMove> moves)
    {
        if (moves.Count == 0)
            return;
        foreach (var (keys, values) in _buffers)
        {
            RowMoves.Carry(moves, keys, Length);
            RowMoves.Carry(moves, values, Length);
        }
    }

    private static Tensor Kept(Tensor buffer, long padding, Tensor rows)
    {
        using Tensor columns = buffer.narrow(2, padding, buffer.size(2) - padding);
        return columns.index_select(0, rows);
    }

    private Tensor Gather(IReadOnlyList<KeyValueCache> caches, Func<KeyValueCache, Tensor> of)
    {
        Tensor like = of(caches[0]);
        // Zeros, since padding is multiplied by a probability of 0, and whatever the memory held may be no number.
        Tensor all = zeros([caches.Sum(cache => of(cache).size(0)), like.size(1), _capacity, like.size(3)], like.dtype, like.device);
        long row = 0;
        foreach (KeyValueCache cache in caches)
        {
            using var scope = NewDisposeScope();
            Tensor part = of(cache);
            all.narrow(0, row, part.size(0)).narrow(2, Length - cache.Length, cache.Length).copy_(part.narrow(2, 0, cache.Length));
            row += part.size(0);
        }
        return all.DetachFromDisposeScope();
    }

    private Tensor GatherMasks(IReadOnlyList<KeyValueCache> caches)
    {
        using var scope = NewDisposeScope();
        return cat([.. caches.Select(PaddedMask)], 0).MoveToOuterDisposeScope();

        Tensor PaddedMask(KeyValueCache cache)
        {
            Tensor keys = cache._buffers[0].Keys;
            Tensor real = cache.Mask ?? ones([keys.size(0), cache.Length], ScalarType.Bool, keys.device);
            return cat([zeros([keys.size(0), Length - cache.Length], ScalarType.Bool, keys.device), real], 1);
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
        Write(grown, old, 0, old.size(2));
        return grown;
    }

    private Tensor Buffer(Tensor like) =>
        empty([like.size(0), like.size(1), _capacity, like.size(3)], like.dtype, like.device).DetachFromDisposeScope();

    private static void Write(Tensor buffer, Tensor part, long start, long count)
    {
        using Tensor place = buffer.narrow(2, start, count);
        place.copy_(part);
    }

    private void Replace(Tensor mask)
    {
        Forget();
        Mask = mask.DetachFromDisposeScope();
    }

    private void Forget()
    {
        Mask?.Dispose();
        Mask = null;
    }
}
