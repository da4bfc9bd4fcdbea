using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>
/// What a decoder's cross-attention reads: an encoder's states. In a session every layer's keys and values are made once, and
/// rows that write on behalf of one text (beams) read the same ones.
/// </summary>
internal sealed class EncoderMemory : IDisposable
{
    private readonly (Tensor Keys, Tensor Values)[]? _kept;
    private Tensor _states;
    private Tensor? _real;

    /// <param name="states">[texts, S, width]; a session's own from now on.</param>
    /// <param name="real">True where a key is real, those that tuners put before the states' own included [texts, K]; null when all are.</param>
    /// <param name="layers">Layers whose keys and values a session keeps; null in training, where nothing is kept.</param>
    public EncoderMemory(Tensor states, Tensor? real, int? layers = null)
    {
        (_states, _real) = (states, real);
        if (layers is not { } count)
        {
            Mask = AttentionMask.Padding(real);
            return;
        }
        _kept = new (Tensor, Tensor)[count];
        _states = states.DetachFromDisposeScope();
        _real = real?.alias().DetachFromDisposeScope();
        Renew();
    }

    private EncoderMemory(Tensor states, Tensor? real, AttentionMask? mask) => (_states, _real, Mask) = (states, real, mask);

    /// <summary>[texts, S, width]</summary>
    public Tensor States => _states;

    /// <summary>Which states are read; null for all.</summary>
    public AttentionMask? Mask { get; private set; }

    /// <summary>How many rows, side by side, read each text.</summary>
    public long RowsPerText { get; private set; } = 1;

    /// <summary>The same memory of states that a block was handed, so that gradients flow back through the block.</summary>
    public EncoderMemory Over(Tensor states) => _kept is null && !ReferenceEquals(states, _states) ? new(states, _real, Mask) : this;

    /// <summary>A layer's keys and values [texts, groups, S, size].</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="make">Makes them of <see cref="States"/>.</param>
    public (Tensor Keys, Tensor Values) Of(int layer, Func<(Tensor Keys, Tensor Values)> make)
    {
        if (_kept is null)
            return make();
        if (_kept[layer].Keys is null)
        {
            var (keys, values) = make();
            _kept[layer] = (keys.contiguous().DetachFromDisposeScope(), values.contiguous().DetachFromDisposeScope());
        }
        return _kept[layer];
    }

    /// <summary>Goes on with the given rows; texts that nobody reads any more go.</summary>
    public void Keep(long[] rows)
    {
        long[] texts = Array.ConvertAll(rows, row => row / RowsPerText), left = [.. texts.Distinct()];
        long each = rows.Length / left.Length;
        bool isEven = texts.SequenceEqual(left.SelectMany(text => Enumerable.Repeat(text, (int)each)));
        // Where texts are read by more rows and by fewer, each row gets its own.
        (long[] chosen, RowsPerText) = isEven ? (left, each) : (texts, 1);
        if (!chosen.SequenceEqual(Enumerable.Range(0, (int)_states.size(0)).Select(text => (long)text)))
            Choose(chosen);
    }

    public void Dispose()
    {
        if (_kept is null)
            return;
        _states.Dispose();
        _real?.Dispose();
        Mask?.Bias?.Dispose();
        foreach (var (keys, values) in _kept)
        {
            keys?.Dispose();
            values?.Dispose();
        }
    }

    private void Choose(long[] texts)
    {
        using Tensor index = tensor(texts, ScalarType.Int64, _states.device);
        Exchange(ref _states!, index);
        Exchange(ref _real, index);
        for (int layer = 0; layer < _kept!.Length; layer++)
        {
            Exchange(ref _kept[layer].Keys!, index);
            Exchange(ref _kept[layer].Values!, index);
        }
        Renew();
    }

    private void Renew()
    {
        Mask?.Bias?.Dispose();
        Mask = AttentionMask.Padding(_real);
        Mask?.Bias?.DetachFromDisposeScope();
    }

    private static void Exchange(ref Tensor? tensor, Tensor index)
    {
        if (tensor is null)
            return;
        Tensor chosen = tensor.index_select(0, index).DetachFromDisposeScope();
        tensor.Dispose();
        tensor = chosen;
    }
}
