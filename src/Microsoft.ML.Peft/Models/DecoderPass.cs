using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>What the layers of a decoder share in one call: where its tokens stand, and which of them see each other.</summary>
internal sealed class DecoderPass
{
    private readonly Tensor? _real, _texts;
    private readonly long _rows, _queries, _keys;

    private DecoderPass(Batch batch, Tensor positions, Tensor? real, long keys, RowSelection rows)
    {
        (Positions, _real, _texts, Rows) = (positions, real, batch.Texts, rows);
        (_rows, _queries, _keys) = (batch.Ids.shape[0], batch.Ids.shape[1], keys);
    }

    /// <summary>[B or 1, S]</summary>
    public Tensor Positions { get; }

    /// <summary>What the last layer computes.</summary>
    public RowSelection Rows { get; }

    public static DecoderPass Begin(Batch batch, RowSelection rows, KeyValueCache? cache)
    {
        long count = batch.Ids.shape[1];
        if (cache is not null)
        {
            Tensor? seen = cache.Extend(batch.Ids.shape[0], count, batch.Mask);
            return new DecoderPass(batch, PositionsOf(seen, cache.Length, count, batch.Ids.device), seen, cache.Length, rows);
        }
        // Real tokens never see padding that follows them: where they alone are read, the kernel's triangle will do.
        bool readsRealOnly = batch.PadsEnd && !ReferenceEquals(rows, RowSelection.All);
        Tensor positions = batch.TextPositions ?? arange(count, ScalarType.Int64, batch.Ids.device).unsqueeze(0);
        return new DecoderPass(batch, positions, readsRealOnly ? null : batch.Mask, count, rows);
    }

    /// <summary>Which keys are seen by all positions, and by those that the last layer computes.</summary>
    /// <param name="written">Whether the causal triangle must be written out (attention with dropout does not know it).</param>
    /// <param name="window">How many keys a query sees at most; null for all.</param>
    public (CausalMask All, CausalMask Read) Masks(bool written, int? window = null)
    {
        var all = new CausalMask(_queries, _keys, _real, _texts, window, written, Positions.device);
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
            return arange(length - count, length, ScalarType.Int64, device).unsqueeze(0);
        using var scope = NewDisposeScope();
        return (real.to(ScalarType.Int64).cumsum(1) - 1).clamp_(min: 0).narrow(1, length - count, count).MoveToOuterDisposeScope();
    }
}
