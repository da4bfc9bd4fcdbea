using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Prefix;

/// <summary>Keys and values before those of every self-attention, from one table [tokens, layers · 2 · groups · size].</summary>
internal sealed class PrefixTuner(PrefixOptions options) : VirtualTokenTuner(options)
{
    protected override VirtualTokenSizes SizesOf(TuningTarget target)
    {
        IReadOnlyList<AttentionSite> sites = SitesOf(target);
        (int groups, int size) = (sites[0].Groups, sites[0].Size);
        return sites.All(site => (site.Groups, site.Size) == (groups, size))
            ? new VirtualTokenSizes(sites.Count, groups, groups * size)
            : throw new NotSupportedException("The model's attentions differ in their heads: one table cannot hold their prefixes.");
    }

    protected override int NumbersOf(VirtualTokenSizes sizes) => 2 * sizes.Layers * sizes.Width;

    protected override TunedPart Part(TuningTarget target, Parameter table) => new PrefixTable(SitesOf(target), table);

    private static IReadOnlyList<AttentionSite> SitesOf(TuningTarget target) =>
        [.. target.Sites.Attentions.Where(site => site.Kind == AttentionKind.Self)];
}

/// <summary>The table, in the slots of the attentions.</summary>
/// <param name="sites">One a layer, in order.</param>
/// <param name="table">[tokens, layers · 2 · groups · size]</param>
internal sealed class PrefixTable(IReadOnlyList<AttentionSite> sites, Parameter table) : TunedPart, IKeyValuePrefix
{
    public override string Path => table.Name;

    public override IReadOnlyList<Parameter> Parameters => [table];

    public int Count => (int)table.Value.size(0);

    /// <summary>Views of the table, so that a block that is computed again for its backward pass reads the same leaf.</summary>
    public (Tensor Keys, Tensor Values) Of(AttentionSite site)
    {
        Tensor layers = table.Value.view(Count, -1, site.Groups, site.Size);
        return (layers.select(1, 2 * site.Layer), layers.select(1, (2 * site.Layer) + 1));
    }

    public override void Attach(string adapter)
    {
        foreach (AttentionSite site in sites)
            site.Attach(adapter, this);
    }

    public override void Detach(string adapter)
    {
        foreach (AttentionSite site in sites)
            site.Detach(adapter);
    }
}
