using Microsoft.ML.Peft.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Lora.Mixing;

/// <summary>The names of one site's factors: a projection's or a table's.</summary>
internal sealed record FactorNames(string Site, string A, string B)
{
    private static readonly (string A, string B)[] Kinds =
        [(".lora_A.weight", ".lora_B.weight"), (".lora_embedding_A", ".lora_embedding_B")];

    /// <summary>Whether the site is a table, which is looked up and not multiplied.</summary>
    public bool IsTable => A.EndsWith(Kinds[1].A, StringComparison.Ordinal);

    /// <summary>The sites of an adapter, in its order.</summary>
    public static IEnumerable<FactorNames> Of(ITensorSource tensors) =>
        from name in tensors.Names
        from kind in Kinds
        where name.EndsWith(kind.A, StringComparison.Ordinal)
        let path = name[..^kind.A.Length]
        select new FactorNames(path[PeftNames.Prefix.Length..], name, path + kind.B);

    /// <summary>The names for a site.</summary>
    public static FactorNames At(string site, bool isTable)
    {
        var (a, b) = Kinds[isTable ? 1 : 0];
        return new FactorNames(site, PeftNames.Prefix + site + a, PeftNames.Prefix + site + b);
    }

    /// <summary>What an adapter holds beside its factors.</summary>
    public static IEnumerable<string> Others(ITensorSource tensors)
    {
        var factors = Of(tensors).SelectMany(f => new[] { f.A, f.B }).ToHashSet(StringComparer.Ordinal);
        return tensors.Names.Where(name => !factors.Contains(name));
    }
}

/// <summary>One adapter's update s·B·A of one site, with the weight that it has in the mix.</summary>
internal sealed record WeightedFactors(string Adapter, Tensor A, Tensor B, double Scale, double Weight)
{
    public long Rank => A.size(0);

    public Tensor Update() => B.mm(A) * Scale;
}
