using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>A model that reads from left to right: positions, masks and heads that all decoders share.</summary>
internal abstract class DecoderModel(HfConfig config, ModelWeights weights) : PretrainedModel(config, weights)
{
    /// <summary>How many layers keep keys and values.</summary>
    public abstract int LayerCount { get; }

    /// <summary>The matrix from hidden states to the vocabulary.</summary>
    protected abstract Projection Output { get; }

    public override Head CreateLanguageModelHead() => new LanguageModelHead(Output);

    public override Head CreateSequenceClassificationHead(int labels) => new LastTokenHead(Weights.Root["score"], HiddenSize, labels);

    public override Tensor Forward(Batch batch, RowSelection rows, ForwardContext context)
    {
        // What the layers share is left to the caller's scope: under gradient checkpointing the backward pass reads it again.
        DecoderPass pass = DecoderPass.Begin(batch, rows, context.Cache);
        return Forward(batch, pass, context);
    }

    /// <summary>Last hidden states, normed, of the positions that the pass reads.</summary>
    protected abstract Tensor Forward(Batch batch, DecoderPass pass, ForwardContext context);

    /// <summary>Runs layers one after another; the last one computes only the positions that are read.</summary>
    protected static Tensor Run<T>(Tensor hidden, IReadOnlyList<T> layers, DecoderPass pass, ForwardContext context, Func<T, int, Tensor, RowSelection, Tensor> forward)
    {
        for (int i = 0; i < layers.Count; i++)
        {
            (T layer, int index) = (layers[i], i);
            RowSelection read = i == layers.Count - 1 ? pass.Rows : RowSelection.All;
            Tensor next = context.Block(hidden, x => forward(layer, index, x, read));
            hidden.Dispose();
            hidden = next;
        }
        return hidden;
    }

    /// <summary>The output matrix: the model's own, or the table of its tokens where they are tied.</summary>
    protected static Projection OutputOf(ModelWeights weights, Parameter table, bool tied)
    {
        WeightScope scope = weights.Root["lm_head"];
        return weights.Sites.Output = new Projection(
            scope, new DenseWeight(tied ? table : scope.Load("weight", Init.Normal, table.Value.shape)), null);
    }
}

/// <summary>What the layers of a decoder share in one call.</summary>
internal sealed class DecoderPass
{
    private readonly Tensor? _real;
    private readonly long _rows, _queries, _keys;

    private DecoderPass(Tensor ids, Tensor positions, Tensor? real, long keys, RowSelection rows)
    {
        (Positions, _real, Rows) = (positions, real, rows);
        (_rows, _queries, _keys) = (ids.shape[0], ids.shape[1], keys);
    }

    /// <summary>[B or 1, S]</summary>
    public Tensor Positions { get; }

    /// <summary>What the last layer computes.</summary>
    public RowSelection Rows { get; }

    public static DecoderPass Begin(Batch batch, RowSelection rows, KeyValueCache? cache)
    {
        Tensor ids = batch.Ids;
        long count = ids.shape[1];
        if (cache is not null)
        {
            Tensor? seen = cache.Extend(ids.shape[0], count, batch.Mask);
            return new DecoderPass(ids, PositionsOf(seen, cache.Length, count, ids.device), seen, cache.Length, rows);
        }
        bool readsRealOnly = batch.PadsEnd && !ReferenceEquals(rows, RowSelection.All);
        Tensor positions = arange(count, device: ids.device).unsqueeze(0);
        return new DecoderPass(ids, positions, readsRealOnly ? null : batch.Mask, count, rows);
    }

    /// <summary>Which keys are seen by all positions, and by those that the last layer computes.</summary>
    public (CausalMask All, CausalMask Read) Masks(int? window = null)
    {
        var all = new CausalMask(_queries, _keys, _real, window, Positions.device);
        return (all, all.Select(Rows, _rows));
    }

    /// <summary>The rotations of all positions, and of those that the last layer computes.</summary>
    public (Rotation All, Rotation Read) Rotations(Rotary rotary)
    {
        Rotation all = rotary.At(Positions);
        return (all, all.Select(Rows, _rows));
    }

    // Padding before a text takes no position.
    private static Tensor PositionsOf(Tensor? real, long length, long count, Device device)
    {
        if (real is null)
            return arange(length - count, length, device: device).unsqueeze(0);
        using var scope = NewDisposeScope();
        return (real.to(ScalarType.Int64).cumsum(1) - 1).clamp_(min: 0).narrow(1, length - count, count).MoveToOuterDisposeScope();
    }
}
