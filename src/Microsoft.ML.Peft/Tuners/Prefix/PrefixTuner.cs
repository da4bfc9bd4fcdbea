using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Prefix;

/// <summary>Keys and values before those of attentions, from one table [tokens, layers · 2 · groups · size] for each part of a model.</summary>
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
        PrefixPlaces[] parts = [.. PrefixPlaces.Of(target.Sites.Attentions, sizes, options.Parts)];
        bool isSaved = parts.All(part => IsSaved(target, part.Prefix + TableName));
        var keys = isSaved ? null : KeysOf(target, generator);
        return [.. parts.Select(part => Table(part, target, sizes, keys, generator))];
    }

    private PrefixTable Table(
        PrefixPlaces places, TuningTarget target, VirtualTokenSizes sizes, IReadOnlyDictionary<AttentionSite, (Tensor Keys, Tensor Values)>? keys, Generator generator)
    {
        string name = places.Prefix + TableName;
        long width = 2L * places.Layers * sizes.Width;
        bool isMade = options.PrefixProjection && !IsSaved(target, name);
        Parameter table = NewTable(target, name, parts: 1, width, isMade || options.Start == PrefixStart.Zero ? null : Start);
        return new PrefixTable(places.Layer, table, isMade ? Network() : null, options.Dropout ?? 0);

        Tensor Start() => keys is null
            ? normal(0, 1, [options.Count, width], ScalarType.Float32, generator.device, generator: generator)
            : places.TableOf(keys, options.Count, sizes);

        PrefixNetwork Network()
        {
            var weights = new NetworkWeights(places.Prefix + TableNetwork.Name, generator);
            Parameter embedding = weights.Embedding(options.Count, sizes.Width);
            return new PrefixNetwork(weights, embedding, options.EncoderHiddenSize ?? sizes.Width, width, isZero: options.Start == PrefixStart.Zero);
        }
    }

    /// <summary>What the model makes of the tokens that the table starts from; null for another start.</summary>
    private IReadOnlyDictionary<AttentionSite, (Tensor Keys, Tensor Values)>? KeysOf(TuningTarget target, Generator generator)
    {
        if (options.Start is not (PrefixStart.Text or PrefixStart.SampledVocabulary))
            return null;
        Func<IReadOnlyList<int>, IReadOnlyDictionary<AttentionSite, (Tensor Keys, Tensor Values)>> read =
            target.KeysOf ?? throw new InvalidOperationException($"{nameof(options.Start)} {options.Start} needs a model that runs.");
        return read(options.Start == PrefixStart.Text ? OfText() : Drawn());

        IReadOnlyList<int> OfText() => options.StartTokens.Count >= options.Count ? [.. options.StartTokens.Take(options.Count)] : throw new ArgumentException(
            $"{nameof(PrefixOptions.StartText)} has {options.StartTokens.Count} tokens, and {nameof(options.VirtualTokens)} is {options.Count}: give a text of at least as many.");

        IReadOnlyList<int> Drawn()
        {
            using Tensor ids = randint(EntranceOf(target).Tokens.Weight.Outputs, [options.Count], ScalarType.Int64, generator.device, generator: generator);
            return [.. ids.cpu().data<long>().ToArray().Select(id => (int)id)];
        }
    }
}

/// <summary>The table, in the slots of the attentions.</summary>
/// <param name="layers">Which of the table's layers each attention reads.</param>
/// <param name="table">[tokens, layers · 2 · groups · size]</param>
/// <param name="network">What makes the table; null where it trains itself.</param>
/// <param name="dropout">Of its numbers in training.</param>
internal sealed class PrefixTable(IReadOnlyDictionary<AttentionSite, int> layers, Parameter table, TableNetwork? network, double dropout)
    : VirtualTable(table, network), IKeyValuePrefix
{
    public int Count => (int)Table.Value.size(0);

    public double Dropout => dropout;

    /// <summary>Views of the table, so that a block that is computed again for its backward pass reads the same leaf.</summary>
    public (Tensor Keys, Tensor Values) Of(AttentionSite site)
    {
        Tensor all = Table.Value.view(Count, -1, site.Groups, site.Size);
        int layer = layers[site];
        return (all.select(1, 2 * layer), all.select(1, (2 * layer) + 1));
    }

    public override void Attach(string adapter)
    {
        foreach (AttentionSite site in layers.Keys)
            site.Attach(adapter, this);
    }

    public override void Detach(string adapter)
    {
        foreach (AttentionSite site in layers.Keys)
            site.Detach(adapter);
    }
}
