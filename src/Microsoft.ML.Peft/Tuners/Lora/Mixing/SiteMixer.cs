using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Lora.Mixing;

/// <summary>Mixes the updates of one site into factors of the new rank.</summary>
internal sealed class SiteMixer(AdapterMixMethod method, AdapterMixOptions options, int rank, Generator generator)
{
    private readonly MixMethod? _made = MixMethod.Of(method);

    public (Tensor A, Tensor B) Mix(string site, IReadOnlyList<WeightedFactors> parts)
    {
        (Tensor a, Tensor b) = _made is null ? Cat(parts) : _made.Decomposes ? Decomposed(site, parts, _made) : Factors(site, parts, _made);
        // A site that some of the adapters lack has less to fill the rank with.
        long missing = rank - a.size(0);
        return missing == 0 ? (a, b) : (cat([a, a.new_zeros(missing, a.size(1))], 0), cat([b, b.new_zeros(b.size(0), missing)], 1));
    }

    public static ArgumentException UnequalRanks(AdapterMixMethod method, IEnumerable<(string Name, long Rank)> ranks, string where) => new(
        $"{nameof(AdapterMixOptions)}.{nameof(AdapterMixOptions.Method)} {method} needs adapters of the same rank{where}; they have "
        + $"{string.Join(", ", ranks.Select(r => $"{r.Rank} ('{r.Name}')"))}. {nameof(AdapterMixMethod.Cat)} and the methods named Svd mix any ranks.");

    private static (Tensor A, Tensor B) Cat(IReadOnlyList<WeightedFactors> parts) =>
        (cat([.. parts.Select(p => p.A * (p.Weight * p.Scale))], 0), cat([.. parts.Select(p => p.B)], 1));

    // Each factor takes the root of the weight, A its sign.
    private (Tensor A, Tensor B) Factors(string site, IReadOnlyList<WeightedFactors> parts, MixMethod made)
    {
        if (parts.Select(p => p.Rank).Distinct().Count() > 1)
            throw UnequalRanks(method, parts.Select(p => (p.Adapter, p.Rank)), $" at '{site}'");
        var tensors = new TaskTensors(made, options, generator);
        double[] roots = [.. parts.Select(p => Math.Sqrt(Math.Abs(p.Weight * p.Scale)))];
        double[] signed = [.. parts.Zip(roots, (p, root) => p.Weight * p.Scale >= 0 ? root : -root)];
        return (tensors.Merge([.. parts.Select(p => p.A)], signed), tensors.Merge([.. parts.Select(p => p.B)], roots));
    }

    // An update has its scale in it already.
    private (Tensor A, Tensor B) Decomposed(string site, IReadOnlyList<WeightedFactors> parts, MixMethod made)
    {
        Tensor update = new TaskTensors(made, options, generator).Merge(
            [.. parts.Select(p => p.Update())], [.. parts.Select(p => p.Weight)]);
        if (rank > Math.Min(update.size(0), update.size(1)))
        {
            throw new ArgumentException(
                $"{nameof(AdapterMixOptions)}.{nameof(options.SvdRank)} {rank} is larger than '{site}' allows, a matrix of {update.size(0)} × {update.size(1)}.");
        }
        (Tensor u, Tensor s, Tensor v) = linalg.svd(update, fullMatrices: false);
        Tensor b = u.narrow(1, 0, rank) * s.narrow(0, 0, rank), a = v.narrow(0, 0, rank);
        if (options.SvdClamp is not { } quantile)
            return (a, b);
        Tensor most = cat([b.flatten(), a.flatten()]).quantile(tensor((float)quantile, a.device));
        return (a.maximum(most.neg()).minimum(most), b.maximum(most.neg()).minimum(most));
    }
}
