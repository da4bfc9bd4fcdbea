using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training;

/// <summary>
/// What a frozen base makes of each row, computed once: every epoch then runs the head alone. The base's dropout is off, so
/// a row's features are always the same. A row is known by its number in its data set: one that was spilled to the disk is another
/// object each time it is read.
/// </summary>
internal sealed class FeatureCache
{
    /// <summary>Features above this are not kept: to compute them again is cheaper than to swap.</summary>
    public const long MostBytes = 2L << 30;

    private readonly Dictionary<IReadOnlyList<Example>, float[][]> _features = new(ReferenceEqualityComparer.Instance);
    private readonly ScalarType _type;
    private readonly long _width;

    private FeatureCache(Tensor sample) => (_type, _width) = (sample.dtype, sample.size(2));

    /// <summary>Runs the base over all rows.</summary>
    /// <param name="runner">The model.</param>
    /// <param name="sets">The data sets.</param>
    /// <param name="batchSize">Rows in a batch.</param>
    /// <param name="token">Ends it early.</param>
    /// <returns>Null where the features would take too much memory.</returns>
    public static FeatureCache? Create(BatchRunner runner, IReadOnlyList<IReadOnlyList<Example>> sets, int batchSize, CancellationToken token)
    {
        FeatureCache? cache = null;
        using var noGrad = no_grad();
        foreach (IReadOnlyList<Example> set in sets)
        {
            IReadOnlyList<int[]> batches = BatchPlanner.ForScoring([.. set.Select(e => e.Length)], batchSize);
            foreach (var (rows, begun) in batches.Zip(batches.Select(rows => runner.BeginInputs(Array.ConvertAll(rows, row => set[row]), withLabels: false)).OneAhead()))
            {
                token.ThrowIfCancellationRequested();
                using var scope = NewDisposeScope();
                using Batch batch = begun.Finish();
                Tensor features = runner.Features(batch, ForwardContext.Inference);
                if (cache is null && features.numel() / rows.Length * sets.Sum(s => (long)s.Count) * sizeof(float) > MostBytes)
                    return null;
                (cache ??= new FeatureCache(features)).Add(set, rows, batch, features);
            }
        }
        return cache;
    }

    /// <summary>The features of a data set's rows [B, positions, width], short rows filled with zeros.</summary>
    public Tensor Features(IReadOnlyList<Example> set, int[] numbers, Device device)
    {
        float[][] rows = Array.ConvertAll(numbers, number => _features[set][number]);
        int longest = rows.Max(row => row.Length);
        var values = new float[rows.Length * longest];
        for (int i = 0; i < rows.Length; i++)
            rows[i].CopyTo(values, i * longest);
        using var scope = NewDisposeScope();
        // A copy in memory of torch's own: how a product sums depends on where the array happens to lie.
        return tensor(values, ScalarType.Float32, CPU).reshape(rows.Length, -1, _width).clone().to(_type).to(device).MoveToOuterDisposeScope();
    }

    private void Add(IReadOnlyList<Example> set, int[] numbers, Batch batch, Tensor features)
    {
        if (!_features.TryGetValue(set, out float[][]? rows))
            _features.Add(set, rows = new float[set.Count][]);
        int stride = (int)(features.size(1) * _width);
        float[] values = features.to(ScalarType.Float32).cpu().contiguous().data<float>().ToArray();
        for (int i = 0; i < batch.Examples.Count; i++)
        {
            int length = (int)(PositionsOf(batch.Examples[i], batch, features.size(1)) * _width);
            rows[numbers[i]] = values.AsSpan(i * stride, length).ToArray();
        }
    }

    // Padding is cut off, so that a row takes no more than it needs and joins batches of any length.
    private static long PositionsOf(Example example, Batch batch, long computed)
    {
        if (batch.ReadPositions is not null)
            return example.ReadPositions.Length;
        return computed == batch[Fields.Ids.TensorName]?.size(1) ? example.Length : computed;
    }
}
