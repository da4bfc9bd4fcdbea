using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Generation;

/// <summary>A decoder with its head and a cache of keys and values.</summary>
/// <param name="model">The decoder.</param>
/// <param name="head">Its head.</param>
/// <param name="adapters">The adapter of each row, or one for all; null for the bare base.</param>
internal sealed class DecoderSession(DecoderModel model, Head head, params string?[]? adapters) : IDecodingSession
{
    private string?[] _adapters = adapters ?? [null];
    private KeyValueCache _cache = new(model.LayerCount);

    /// <summary>How many steps of sessions over the model run at once; null where there is no other.</summary>
    public ForwardLimit? Limit { get; init; }

    public int Rows { get; private set; }

    public int MaxLength => model.MaxLength;

    public Tensor Read(Tensor ids, Tensor? mask)
    {
        using var scope = NewDisposeScope();
        using var noGradient = inference_mode();
        using IDisposable? turn = Limit?.Enter();
        Rows = (int)ids.shape[0];
        var batch = new Batch { Ids = ids.to(model.Weights.Device), Mask = mask?.to(model.Weights.Device), Examples = [] };
        if (_adapters.Length == 1 && Rows > 1)
            _adapters = [.. Enumerable.Repeat(_adapters[0], Rows)];
        ForwardContext context = ForwardContext.ForRows(_adapters, model.Weights.Device, _cache);
        using AdapterRows? byRow = context.Rows;
        Tensor hidden = model.Forward(batch, RowSelection.Last, context);
        return head.Forward(hidden, batch, context).squeeze(1).MoveToOuterDisposeScope();
    }

    public Tensor Next(long[] ids)
    {
        using Tensor tokens = tensor(ids, [ids.Length, 1], ScalarType.Int64, CPU);
        return Read(tokens, null);
    }

    public void Keep(long[] rows)
    {
        using var noGradient = inference_mode();
        _cache.Keep(rows);
        _adapters = Array.ConvertAll(rows, row => _adapters[row]);
        Rows = rows.Length;
    }

    /// <summary>Takes the rows of sessions over the same model behind its own; each has read what it has, padded or not.</summary>
    public void Join(IReadOnlyList<DecoderSession> others)
    {
        using var noGradient = inference_mode();
        KeyValueCache joined = KeyValueCache.Join([_cache, .. others.Select(other => other._cache)]);
        _cache.Dispose();
        _cache = joined;
        _adapters = [.. _adapters, .. others.SelectMany(other => other._adapters)];
        Rows += others.Sum(other => other.Rows);
    }

    public void Dispose() => _cache.Dispose();
}
