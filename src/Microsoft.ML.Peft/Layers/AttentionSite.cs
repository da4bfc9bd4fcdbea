using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>What an attention reads its keys and values from.</summary>
internal enum AttentionKind
{
    /// <summary>The same texts as its queries.</summary>
    Self,

    /// <summary>What another part of the model made: an encoder's texts, a picture.</summary>
    Cross,
}

/// <summary>
/// One attention of a model, between its projections: all models attend here. Tuners may put keys and values before a call's own
/// (prefix tuning, Li and Liang 2021).
/// </summary>
internal sealed class AttentionSite
{
    private readonly AdapterSlots<IKeyValuePrefix> _prefixes = new();

    /// <param name="scope">The module.</param>
    /// <param name="layer">The layer's number within its stack, from 0.</param>
    /// <param name="heads">Heads of queries.</param>
    /// <param name="size">The size of a head.</param>
    /// <param name="groups">Heads of keys and values, each for as many heads of queries; null for one each (grouped-query attention, Ainslie et al. 2023).</param>
    /// <param name="kind">What it attends to.</param>
    public AttentionSite(WeightScope scope, int layer, int heads, int size, int? groups = null, AttentionKind kind = AttentionKind.Self)
    {
        (Path, Layer, Heads, Size, Groups, Kind) = (scope.Path, layer, heads, size, groups ?? heads, kind);
        scope.Sites.Add(this);
    }

    /// <summary>Module path, as in Hugging Face's model.</summary>
    public string Path { get; }

    public int Layer { get; }

    public int Heads { get; }

    public int Groups { get; }

    public int Size { get; }

    public AttentionKind Kind { get; }

    /// <summary>Whether it stands in the decoder of an encoder-decoder.</summary>
    public bool IsInDecoder { get; init; }

    /// <summary>What scores are multiplied with beside the usual 1/√size; 1 by default.</summary>
    public double Gain { get; init; } = 1;

    /// <summary>Of the probabilities, in training.</summary>
    public double Dropout { get; init; }

    public void Attach(string adapter, IKeyValuePrefix prefix) => _prefixes.Attach(adapter, prefix);

    public void Detach(string adapter) => _prefixes.Detach(adapter);

    /// <summary>What the call's one adapter puts before the keys; null where that is nothing.</summary>
    public IKeyValuePrefix? PrefixOf(ForwardContext context) => _prefixes.Of(context);

    /// <summary>[B, S, heads·size] as the heads of queries [B, heads, S, size].</summary>
    public Tensor Split(Tensor queries) => Attention.Split(queries, Heads);

    /// <summary>[B, S, groups·size] as the heads of keys or values [B, groups, S, size].</summary>
    public Tensor SplitKeys(Tensor keys) => Attention.Split(keys, Groups);

    /// <summary>Attends over keys and values, behind those of the prefix and of the cache.</summary>
    /// <param name="query">[B, heads, Q, size]</param>
    /// <param name="key">[B, groups, S, size]</param>
    /// <param name="value">[B, groups, S, size]</param>
    /// <param name="mask">Which keys each query sees, those of prefix and cache included; null for all.</param>
    /// <param name="context">The call.</param>
    /// <returns>[B, Q, heads·size]</returns>
    public Tensor Attend(Tensor query, Tensor key, Tensor value, AttentionMask? mask, ForwardContext context)
    {
        if (Kind == AttentionKind.Cross || context.Cache is not { } cache)
        {
            Tensor own = key;
            (key, value) = BehindPrefix(key, value, context);
            // Where one projection makes all three, a query that waits for the backward pass beside the keys keeps their memory, of which a copy stands behind the prefix.
            query = ReferenceEquals(key, own) || !is_grad_enabled() ? query : query.transpose(1, 2).contiguous().transpose(1, 2);
        }
        else
            (key, value) = cache.IsEmpty(Layer) ? cache.Append(Layer, BehindPrefix(key, value, context)) : cache.Append(Layer, (key, value));
        return AttendAll(query, key, value, mask, context);
    }

    /// <summary>Attends to what an encoder made, behind the prefix, where several rows may read one text.</summary>
    /// <param name="query">[B, heads, Q, size]</param>
    /// <param name="memory">What it reads.</param>
    /// <param name="make">Makes the keys and values [texts, groups, S, size] of this layer.</param>
    /// <param name="context">The call.</param>
    /// <returns>[B, Q, heads·size]</returns>
    public Tensor AttendTo(Tensor query, EncoderMemory memory, Func<(Tensor Keys, Tensor Values)> make, ForwardContext context)
    {
        var (key, value) = memory.Of(Layer, () =>
        {
            var (keys, values) = make();
            return BehindPrefix(keys, values, context);
        });
        long each = memory.RowsPerText, queries = query.size(2);
        if (each == 1)
            return AttendAll(query, key, value, memory.Mask, context);
        // The rows of a text stand side by side as queries of one, and its keys are not copied.
        long texts = key.size(0);
        Tensor side = query.view(texts, each, Heads, queries, Size).transpose(1, 2).reshape(texts, Heads, each * queries, Size);
        return AttendAll(side, key, value, memory.Mask, context).view(texts * each, queries, -1);
    }

    private Tensor AttendAll(Tensor query, Tensor key, Tensor value, AttentionMask? mask, ForwardContext context) =>
        Attention.Attend(query, key, value, mask, context.NextDropout(Dropout), Gain);

    private (Tensor Keys, Tensor Values) BehindPrefix(Tensor key, Tensor value, ForwardContext context)
    {
        context.SeesKeys?.Invoke(this, key, value);
        if (context.Rows is { } rows)
        {
            return PrefixColumns.OfRows(this, rows) is { } columns
                ? (Behind(key, columns, rows, of => of.Keys), Behind(value, columns, rows, of => of.Values))
                : (key, value);
        }
        if (_prefixes.Of(context) is not { } prefix)
            return (key, value);
        var (keys, values) = prefix.Of(this);
        return (Join(keys, key), Join(values, value));

        // Token by token, as projections and kernels have them: heads first, each kernel would copy them once more.
        Tensor Join(Tensor before, Tensor own) =>
            cat([context.Dropout(ForRows(before, own.size(0)), prefix.Dropout).transpose(1, 2), own.transpose(1, 2)], 1).transpose(1, 2);
    }

    private Tensor Behind(Tensor own, PrefixColumns columns, AdapterRows rows, Func<(Tensor Keys, Tensor Values), Tensor> choose)
    {
        using var scope = NewDisposeScope();
        return cat([rows.Join(Columns), own], 2).MoveToOuterDisposeScope();

        Tensor Columns(AdapterGroup group)
        {
            // Zeros, since hidden keys are multiplied by a probability of 0.
            Tensor all = zeros([group.Count, Groups, columns.Count, Size], own.dtype, own.device);
            if (_prefixes.Of(group.Context) is { } prefix)
                all.narrow(2, columns.Count - prefix.Count, prefix.Count).copy_(ForRows(choose(prefix.Of(this)), group.Count));
            return all;
        }
    }

    // [P, groups, size] for all rows.
    private static Tensor ForRows(Tensor prefix, long rows) => prefix.transpose(0, 1).unsqueeze(0).expand(rows, -1, -1, -1);
}
