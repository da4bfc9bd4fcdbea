using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>What the layers of a decoder share in one call: what entered, where it stands, and which positions see each other.</summary>
internal sealed class DecoderPass
{
    private readonly MaskTerms _terms;

    private DecoderPass(ModelInput input, Tensor positions, long before, MaskTerms terms) => (Input, PositionIds, Before, _terms) = (input, positions, before, terms);

    public ModelInput Input { get; }

    /// <summary>[B or 1, S]</summary>
    public Tensor PositionIds { get; }

    /// <summary>Keys of a prefix before the rows.</summary>
    public long Before { get; }

    /// <summary>What the last layer computes.</summary>
    public PositionSelection Rows => Input.Rows;

    /// <param name="input">What entered.</param>
    /// <param name="prefix">The keys that stand before; null for none.</param>
    /// <param name="cache">What was read before; null where a text is read at once.</param>
    public static DecoderPass Begin(ModelInput input, PrefixColumns? prefix, KeyValueCache? cache)
    {
        long length = input.Length, before = prefix?.Count ?? 0;
        Tensor? real = prefix is null ? input.Mask : prefix.RealWith(input.Mask, input.Count, length, input.Device);
        if (cache is not null)
        {
            if (input.Texts is not null && cache.Length > 0)
                throw new NotSupportedException("A packed row cannot go on behind a cache: its texts are not the cache's.");
            Tensor? seen = cache.Extend(input.Count, before + length, real);
            return new DecoderPass(input, input.Texts is null ? PositionsOf(seen, cache.Length, length, input.Device) : Shifted(), before, Terms(cache.Length, seen));
        }
        // Real tokens never see padding that follows them: where they alone are read, the kernel's triangle will do.
        bool readsRealOnly = input.PadsEnd && prefix?.Real is null && !ReferenceEquals(input.Rows, PositionSelection.All);
        return new DecoderPass(input, Shifted(), before, Terms(before + length, readsRealOnly ? null : real));

        Tensor Shifted() => prefix?.Shift(input.PlacesOrRange()) ?? input.PlacesOrRange();

        MaskTerms Terms(long keys, Tensor? visible) => new()
        {
            Queries = length, Keys = keys, Device = input.Device, IsCausal = true, Real = visible, Texts = input.Texts,
        };
    }

    /// <summary>Which keys are seen by all positions, and by those that the last layer computes.</summary>
    /// <param name="written">Whether the causal triangle must be written out (attention with dropout does not know it).</param>
    /// <param name="window">How many keys a query sees at most; null for all.</param>
    public (AttentionMask All, AttentionMask Read) Masks(bool written, int? window = null)
    {
        var all = new AttentionMask(_terms with { Window = window, IsWritten = written });
        return (all, all.Select(Rows, Input.Count));
    }

    /// <summary>The rotations of all positions, and of those that the last layer computes.</summary>
    public (Rotation All, Rotation Read) Rotations(Rotary rotary)
    {
        Rotation all = rotary.At(PositionIds);
        return (all, all.Select(Rows, Input.Count));
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
