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
    private readonly long[] _buckets = Buckets(buckets, farthest, bothWays);

    /// <summary>What is added to the scores of the last queries of all keys.</summary>
    /// <returns>[1, heads, Q, K]</returns>
    public Tensor Bias(long queries, long keys, ForwardContext context, Device device)
    {
        using var scope = NewDisposeScope();
        // All distances that there are, in one line: the last query reads it from its begin, the query before it from one further on.
        using Tensor line = tensor(Line(1 - keys, keys + queries - 1), ScalarType.Int64, device).unsqueeze(0);
        Tensor bias = _table.Forward(line, new ForwardContext { Adapter = context.Adapter }).transpose(1, 2).unfold(2, keys, 1);
        return (queries == 1 ? bias : bias.flip(2)).MoveToOuterDisposeScope();
    }

    private long[] Line(long first, long count)
    {
        var line = new long[count];
        for (long i = 0; i < count; i++)
            line[i] = _buckets[Math.Clamp(first + i, -farthest, farthest) + farthest];
        return line;
    }

    // Of the distances from -farthest on, up to farthest. The logarithm in single precision, as the original takes it: buckets are cut at its steps.
    private static long[] Buckets(int buckets, int farthest, bool bothWays)
    {
        using var scope = NewDisposeScope();
        Tensor distance = arange(-farthest, farthest + 1, ScalarType.Int64, CPU);
        int count = bothWays ? buckets / 2 : buckets, exact = count / 2;
        Tensor start = bothWays ? distance.gt(0).to(ScalarType.Int64) * count : zeros_like(distance);
        Tensor away = bothWays ? distance.abs() : (-distance).clamp(min: 0);
        Tensor far = (away.to(ScalarType.Float32) / exact).log() / (float)Math.Log((double)farthest / exact) * (count - exact);
        Tensor shared = (far.to(ScalarType.Int64) + exact).clamp(max: count - 1);
        return (start + where(away.lt(exact), away, shared)).data<long>().ToArray();
    }
}
