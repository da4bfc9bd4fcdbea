using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Prefix;

/// <summary>The attentions of one part of a model, and how a table is laid out for them.</summary>
/// <param name="Prefix">What the table's name begins with; nothing where PEFT has it.</param>
/// <param name="Layers">How many layers' keys and values the table holds.</param>
/// <param name="Layer">Which of them each attention reads.</param>
internal sealed record PrefixPlaces(string Prefix, int Layers, IReadOnlyDictionary<AttentionSite, int> Layer)
{
    private static readonly (string Prefix, Func<AttentionSite, bool> Takes)[] s_parts =
    [
        ("encoder.", site => site is { Kind: AttentionKind.Self, IsInDecoder: false }),
        ("", site => site is { Kind: AttentionKind.Self, IsInDecoder: true }),
        ("cross_attention.", site => site.Kind == AttentionKind.Cross),
    ];

    /// <exception cref="NotSupportedException">PEFT's prefix does not reach all layers.</exception>
    public static IEnumerable<PrefixPlaces> Of(IReadOnlyList<AttentionSite> sites, VirtualTokenSizes sizes, PrefixParts parts) =>
        sizes.Parts == 1 ? [InOrder("", sites.Where(site => site.Kind == AttentionKind.Self))]
        : parts == PrefixParts.All ? s_parts.Select(part => InOrder(part.Prefix, sites.Where(part.Takes)))
        : [AsPeft([.. sites.Where(site => site is { Kind: AttentionKind.Self, IsInDecoder: true })], sizes.Layers)];

    /// <summary>A table of keys and values that each attention made of tokens [tokens, layers · 2 · groups · size]; layers that none reads are zero.</summary>
    public Tensor TableOf(IReadOnlyDictionary<AttentionSite, (Tensor Keys, Tensor Values)> made, long tokens, VirtualTokenSizes sizes)
    {
        using var scope = NewDisposeScope();
        Tensor table = zeros([tokens, 2 * Layers, sizes.Width], ScalarType.Float32, made.Values.First().Keys.device);
        foreach (var readers in Layer.GroupBy(place => place.Value, place => place.Key))
        {
            var (keys, values) = made[readers.First()];
            table.select(1, 2 * readers.Key).copy_(keys.flatten(1));
            table.select(1, (2 * readers.Key) + 1).copy_(values.flatten(1));
        }
        return table.flatten(1).MoveToOuterDisposeScope();
    }

    private static PrefixPlaces InOrder(string prefix, IEnumerable<AttentionSite> sites)
    {
        AttentionSite[] all = [.. sites];
        return new PrefixPlaces(prefix, all.Length, all.Select((site, layer) => (site, layer)).ToDictionary(place => place.site, place => place.layer));
    }

    /// <summary>
    /// PEFT's table for an encoder-decoder has as many layers as the encoder. It is laid out twice and dealt to the decoder's layers in fours, of
    /// which the first two are used: layer i reads the table's 2i-th, and half of it is read by none.
    /// </summary>
    private static PrefixPlaces AsPeft(AttentionSite[] decoder, int layers) => decoder.Length <= layers
        ? new PrefixPlaces("", layers, decoder.ToDictionary(site => site, site => 2 * site.Layer % layers))
        : throw new NotSupportedException(
            $"The decoder has {decoder.Length} layers and the encoder {layers}: PEFT's prefix has as many as the encoder and does not reach all. Use {nameof(PrefixParts)}.{nameof(PrefixParts.All)}.");
}
