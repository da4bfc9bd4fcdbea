using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>
/// T5's relative positions (Raffel et al. 2020): a number for each head and distance, added to the scores. Near distances have a
/// bucket each, far ones share buckets of growing width.
/// </summary>
/// <param name="scope">The module of the table.</param>
/// <param name="heads">Heads.</param>
/// <param name="buckets">Rows of the table.</param>
/// <param name="farthest">Distances from here on share the last bucket.</param>
/// <param name="bothWays">Whether keys behind a query are seen, and have buckets of their own.</param>
internal sealed class RelativePositions(WeightScope scope, int heads, int buckets, int farthest, bool bothWays)
{
    private readonly TokenEmbedding _table = new(scope, buckets, heads);

    /// <summary>What is added to the scores of the last queries of all keys.</summary>
    /// <returns>[1, heads, Q, K]</returns>
    public Tensor Bias(long queries, long keys, ForwardContext context, Device device)
    {
        using var scope = NewDisposeScope();
        Tensor query = arange(keys - queries, keys, ScalarType.Int64, device).unsqueeze(1), key = arange(0, keys, ScalarType.Int64, device).unsqueeze(0);
        Tensor bias = _table.Forward(Buckets(key - query).unsqueeze(0), new ForwardContext { Adapter = context.Adapter });
        return bias.permute(0, 3, 1, 2).MoveToOuterDisposeScope();
    }

    // The logarithm in single precision, as the original takes it: buckets are cut at its steps.
    private Tensor Buckets(Tensor distance)
    {
        int count = bothWays ? buckets / 2 : buckets, exact = count / 2;
        Tensor start = bothWays ? distance.gt(0).to(ScalarType.Int64) * count : zeros_like(distance);
        Tensor away = bothWays ? distance.abs() : (-distance).clamp(min: 0);
        Tensor far = (away.to(ScalarType.Float32) / exact).log() / (float)Math.Log((double)farthest / exact) * (count - exact);
        Tensor shared = (far.to(ScalarType.Int64) + exact).clamp(max: count - 1);
        return start + where(away.lt(exact), away, shared);
    }
}
