namespace Microsoft.ML.Peft;

/// <summary>How adapters become one, with the names of PEFT's <c>add_weighted_adapter</c>.</summary>
public enum AdapterMixMethod
{
    /// <summary>The weighted sum of the updates, brought back to a low rank by its largest singular values (the default).</summary>
    Svd,

    /// <summary>The weighted sums of A and of B. Needs equal ranks.</summary>
    Linear,

    /// <summary>A above A and B beside B: the exact weighted sum of the updates, whose rank is the sum of the ranks.</summary>
    Cat,

    /// <summary>TIES (Yadav et al. 2023) on A and on B: the smallest values go, then those against the majority's sign. Needs equal ranks.</summary>
    Ties,

    /// <summary>TIES on the updates, brought back to a low rank.</summary>
    TiesSvd,

    /// <summary>DARE (Yu et al. 2023) on A and on B: values are dropped at random, the rest is enlarged. Needs equal ranks.</summary>
    DareLinear,

    /// <summary>DARE on the updates, brought back to a low rank.</summary>
    DareLinearSvd,

    /// <summary>DARE, then the majority's sign, on A and on B. Needs equal ranks.</summary>
    DareTies,

    /// <summary>DARE, then the majority's sign, on the updates, brought back to a low rank.</summary>
    DareTiesSvd,

    /// <summary>The smallest values of A and of B go, then as <see cref="Linear"/>. Needs equal ranks.</summary>
    MagnitudePrune,

    /// <summary>The smallest values of the updates go, then as <see cref="Svd"/>.</summary>
    MagnitudePruneSvd,
}

/// <summary>How the sign is found that most adapters agree on.</summary>
public enum MajoritySignMethod
{
    /// <summary>The sign of the sum (the default).</summary>
    Total,

    /// <summary>The sign that occurs most often.</summary>
    Frequency,
}

/// <summary>Settings of mixing adapters.</summary>
public sealed class AdapterMixOptions
{
    /// <summary>How they become one; <see cref="AdapterMixMethod.Svd"/> by default.</summary>
    public AdapterMixMethod Method { get; set; }

    /// <summary>The share of values that stay, from 0 to 1. The methods that drop values need it; others do not read it.</summary>
    public double? Density { get; set; }

    /// <summary>How TIES finds the majority's sign.</summary>
    public MajoritySignMethod MajoritySign { get; set; }

    /// <summary>The new rank of methods that decompose; null (the default) for the largest rank among the adapters.</summary>
    public int? SvdRank { get; set; }

    /// <summary>A quantile, from 0 to 1: the factors of a decomposition are cut at the value that it stands for; null (the default) for none.</summary>
    public double? SvdClamp { get; set; }

    /// <summary>Seed of what DARE drops.</summary>
    public long Seed { get; set; }
}
