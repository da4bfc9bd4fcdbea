using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Prefix;

/// <summary>Keys and values before those of every self-attention, from one table [tokens, layers · 2 · groups · size].</summary>
internal sealed class PrefixTuner(PrefixOptions options) : VirtualTokenTuner(options)
{
    protected override VirtualTokenSizes SizesOf(TuningTarget target)
    {
        IReadOnlyList<AttentionSite> sites = SelfAttentions(target);
        (int groups, int size) = (sites[0].Groups, sites[0].Size);
        return target.Sites.Attentions.All(site => (site.Groups, site.Size) == (groups, size))
            ? new VirtualTokenSizes(sites.Count, groups, groups * size, PartsOf(target))
            : throw new NotSupportedException("The model's attentions differ in their heads: one table cannot hold their prefixes.");
    }

    protected override IEnumerable<VirtualTable> Tables(TuningTarget target, VirtualTokenSizes sizes, Generator generator)
    {
        long width = 2L * sizes.Layers * sizes.Width;
        Func<Tensor> random = () => normal(0, 1, [options.Count, width], ScalarType.Float32, generator.device, generator: generator);
        bool isMade = options.PrefixProjection && !IsSaved(target, TableName);
        Parameter table = NewTable(target, TableName, parts: 1, width, isMade ? null : random);
        return [new PrefixTable(PlacesOf(target, sizes), table, isMade ? Network(sizes, width, generator) : null)];
    }

    private PrefixNetwork Network(VirtualTokenSizes sizes, long width, Generator generator)
    {
        var weights = new NetworkWeights(TableNetwork.Name, generator);
        return new PrefixNetwork(weights, weights.Embedding(options.Count, sizes.Width), options.EncoderHiddenSize ?? sizes.Width, width);
    }

    /// <summary>
    /// Which of the table's layers each attention reads. An encoder-decoder's are its decoder's; PEFT lays the table out twice there and deals it
    /// in fours, of which the first two are used: layer i reads the table's 2i-th.
    /// </summary>
    private static Dictionary<AttentionSite, int> PlacesOf(TuningTarget target, VirtualTokenSizes sizes)
    {
        if (sizes.Parts == 1)
            return SelfAttentions(target).Select((site, i) => (site, i)).ToDictionary(place => place.site, place => place.i);
        AttentionSite[] decoder = [.. target.Sites.Attentions.Where(site => site is { Kind: AttentionKind.Self, IsInDecoder: true })];
        return decoder.Length <= sizes.Layers ? decoder.ToDictionary(site => site, site => 2 * site.Layer % sizes.Layers) : throw new NotSupportedException(
            $"The decoder has {decoder.Length} layers and the encoder {sizes.Layers}: PEFT's prefix has as many as the encoder, and does not reach all of the decoder's.");
    }
}

/// <summary>The table, in the slots of the attentions.</summary>
/// <param name="places">Which of the table's layers each attention reads.</param>
/// <param name="table">[tokens, layers · 2 · groups · size]</param>
/// <param name="network">What makes the table; null where it trains itself.</param>
internal sealed class PrefixTable(IReadOnlyDictionary<AttentionSite, int> places, Parameter table, TableNetwork? network)
    : VirtualTable(table, network), IKeyValuePrefix
{
    public int Count => (int)Table.Value.size(0);

    /// <summary>Views of the table, so that a block that is computed again for its backward pass reads the same leaf.</summary>
    public (Tensor Keys, Tensor Values) Of(AttentionSite site)
    {
        Tensor layers = Table.Value.view(Count, -1, site.Groups, site.Size);
        int layer = places[site];
        return (layers.select(1, 2 * layer), layers.select(1, (2 * layer) + 1));
    }

    public override void Attach(string adapter)
    {
        foreach (AttentionSite site in places.Keys)
            site.Attach(adapter, this);
    }

    public override void Detach(string adapter)
    {
        foreach (AttentionSite site in places.Keys)
            site.Detach(adapter);
    }
}
