using Microsoft.ML.Peft.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Lora.Mixing;

/// <summary>Mixes LoRA adapters as PEFT's <c>add_weighted_adapter</c> does. The mix is an adapter of scale 1.</summary>
internal static class LoraMixer
{
    /// <param name="name">The new adapter's name.</param>
    /// <param name="parts">The adapters with their weights.</param>
    /// <param name="options">How they become one.</param>
    /// <returns>The mix; the caller disposes it.</returns>
    /// <exception cref="ArgumentException">The adapters' ranks, or a setting, do not fit the method.</exception>
    /// <exception cref="NotSupportedException">An adapter holds what cannot be mixed.</exception>
    public static AdapterState Mix(string name, IReadOnlyList<(AdapterState State, double Weight)> parts, AdapterMixOptions options)
    {
        MixMethod.Check(options);
        IReadOnlyList<(string Name, AdapterState Owner)> whole = Mixable.WholeTensors([.. parts.Select(part => part.State)]);
        // A single one is weighted and no more, whatever the method.
        AdapterMixMethod method = parts.Count == 1 ? AdapterMixMethod.Linear : options.Method;
        int rank = RankOf(method, parts, options);
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        using var generator = new Generator((ulong)options.Seed, CPU);
        var mixer = new SiteMixer(method, options, rank, generator);
        var sites = parts.SelectMany(part => FactorNames.Of(part.State.Tensors)).DistinctBy(site => site.Site).ToList();
        var mixed = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (FactorNames site in sites)
            (mixed[site.A], mixed[site.B]) = mixer.Mix(site.Site, Factors(site, parts));
        foreach (var (tensor, owner) in whole)
            mixed[tensor] = owner.Tensors.Read(tensor).clone();
        return new AdapterState(name, Settings(rank, sites, parts), new HeldTensors(
            $"Adapter '{name}'", mixed.ToDictionary(t => t.Key, t => t.Value.contiguous().DetachFromDisposeScope())));
    }

    private static int RankOf(AdapterMixMethod method, IReadOnlyList<(AdapterState State, double Weight)> parts, AdapterMixOptions options)
    {
        int[] ranks = [.. parts.Select(part => Of(part.State)).Select(o => o.RankPattern.Values.Append(o.Values.Rank).Max())];
        if (MixMethod.Of(method) is not { } made)
            return ranks.Sum();
        if (made.Decomposes)
            return options.SvdRank ?? ranks.Max();
        return ranks.Distinct().Count() == 1 ? ranks[0] : throw SiteMixer.UnequalRanks(method, parts.Zip(ranks, (part, r) => (part.State.Name, (long)r)), "");
    }

    private static IReadOnlyList<WeightedFactors> Factors(FactorNames site, IReadOnlyList<(AdapterState State, double Weight)> parts) =>
    [
        .. from part in parts
           where part.State.Tensors.Names.Contains(site.A)
           let tensors = part.State.Tensors
           select new WeightedFactors(
               part.State.Name, tensors.Read(site.A), tensors.Read(site.B), Of(part.State).SizeOf(site.Site).Scale, part.Weight),
    ];

    // The sites by their whole paths: no pattern of one adapter reaches into another.
    private static LoraOptions Settings(int rank, IReadOnlyList<FactorNames> sites, IReadOnlyList<(AdapterState State, double Weight)> parts) => new()
    {
        Rank = rank,
        Alpha = rank,
        Dropout = Of(parts[0].State).Dropout,
        FanInFanOut = Of(parts[0].State).FanInFanOut,
        TargetModules = [.. sites.Select(site => site.Site)],
        ModulesToSave = [.. parts.SelectMany(part => Of(part.State).ModulesToSave).Distinct()],
    };

    private static LoraOptions Of(AdapterState state) => (LoraOptions)state.Settings;
}
