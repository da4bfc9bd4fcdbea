using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Lora;

/// <summary>
/// A table under LoRA: row i is E[i] + s·(B·A)ᵀ[i], with A [rank, entries] and B [width, rank]. Under DoRA each column of the
/// sum gets a trained length. There is no dropout here, as in PEFT.
/// </summary>
internal sealed class EmbeddingDelta(TokenEmbedding site, Parameter a, Parameter b, double scale, Parameter? magnitude) : TunedPart, ITokenLookup
{

    public TokenEmbedding Site => site;

    /// <summary>Whether it is saved with twice its rank, the rest zeros: where the adapter's other parts need that.</summary>
    public bool DoublesRank { get; init; }

    public override string Path => site.Path;

    public override IReadOnlyList<Parameter> Parameters => magnitude is null ? [a, b] : [a, b, magnitude];

    public override IReadOnlyList<Parameter> Interpolated => [.. LoraDelta.MovingOf(a, b), .. magnitude is null ? [] : new[] { magnitude }];

    public override IEnumerable<(string Name, Tensor Value)> Export() => DoublesRank
        ? [(a.Name, Doubled(a, 0)), (b.Name, Doubled(b, 1)), .. magnitude is null ? [] : new[] { (magnitude.Name, magnitude.Value) }]
        : base.Export();

    public Tensor Lookup(Tensor ids)
    {
        using var scope = NewDisposeScope();
        Tensor flat = ids.flatten();
        Tensor low = site.WithoutPadding(a.Value.t().index_select(0, flat), flat);
        Tensor plain = site.Lookup(flat);
        Tensor sum = plain.addmm(low, b.Value.t(), 1, (float)scale);
        return (magnitude is null ? sum : sum * Gain()).view([.. ids.Sizes(), -1]).MoveToOuterDisposeScope();
    }

    public override void Attach(string adapter) => site.Attach(adapter, this);

    public override void Detach(string adapter) => site.Detach(adapter);

    public override void Merge(string adapter)
    {
        using (var noGrad = no_grad())
        {
            Tensor merged = Sum(site.Table.Value, a, b, scale);
            site.Table.Substitute(magnitude is null ? merged : merged.mul_(Gain()));
        }
        Detach(adapter);
    }

    public override IEnumerable<MergedWeight> MergedWeights()
    {
        yield return new MergedWeight(site.Table.Name, site.Table, site.Table.Value.Sizes(), table =>
        {
            using Tensor sum = Sum(table, a, b, scale);
            return magnitude is null ? sum.alias() : sum * Gain();
        });
    }

    public override void Unmerge(string adapter)
    {
        site.Table.Restore();
        Attach(adapter);
    }

    private static Tensor Doubled(Parameter factor, long dimension)
    {
        using var noGrad = no_grad();
        using Tensor rest = zeros_like(factor.Value);
        return cat([factor.Value, rest], dimension);
    }

    private Tensor Gain() => magnitude!.Value / Norm(site, a, b, scale);

    /// <summary>The lengths of the columns of the sum.</summary>
    public static Tensor Norm(TokenEmbedding site, Parameter a, Parameter b, double scale)
    {
        using var noGrad = no_grad();
        using Tensor sum = Sum(site.Table.Value, a, b, scale);
        return linalg.vector_norm(sum, 2, [0]);
    }

    private static Tensor Sum(Tensor table, Parameter a, Parameter b, double scale)
    {
        using Tensor left = a.Value.t(), right = b.Value.t(), values = table.to(a.Value.dtype);
        return values.addmm(left, right, 1, (float)scale);
    }
}
