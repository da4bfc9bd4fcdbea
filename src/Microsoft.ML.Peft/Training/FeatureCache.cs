using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training;

/// <summary>
/// What a frozen base makes of each row, computed once: every epoch then runs the head alone. The base's dropout is off, so
/// a row's features are always the same.
/// </summary>
internal sealed class FeatureCache
{
    /// <summary>Features above this are not kept: to compute them again is cheaper than to swap.</summary>
    private const long MostBytes = 2L << 30;

    private readonly Dictionary<Example, float[]> _features = new(ReferenceEqualityComparer.Instance);
    private readonly ScalarType _type;
    private readonly long _width;

    private FeatureCache(Tensor sample) => (_type, _width) = (sample.dtype, sample.shape[2]);

    /// <summary>Runs the base over all rows.</summary>
    /// <param name="runner">The model.</param>
    /// <param name="examples">The rows.</param>
    /// <param name="batchSize">Rows in a batch.</param>
    /// <param name="token">Ends it early.</param>
    /// <returns>Null where the features would take too much memory.</returns>
    public static FeatureCache? Create(BatchRunner runner, IReadOnlyList<Example> examples, int batchSize, CancellationToken token)
    {
        FeatureCache? cache = null;
        using var noGrad = no_grad();
        foreach (int[] rows in BatchPlanner.ForScoring([.. examples.Select(e => e.Length)], batchSize))
        {
            token.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            using Batch batch = runner.Collate([.. rows.Select(row => examples[row])], withLabels: false);
            Tensor features = runner.Features(batch, ForwardContext.Inference);
            if (cache is null && features.numel() / rows.Length * examples.Count * sizeof(float) > MostBytes)
                return null;
            (cache ??= new FeatureCache(features)).Add(batch, features);
        }
        return cache;
    }

    /// <summary>The features of a batch's rows [B, positions, width], short rows filled with zeros.</summary>
    public Tensor Features(Batch batch)
    {
        float[][] rows = [.. batch.Examples.Select(example => _features[example])];
        int longest = rows.Max(row => row.Length);
        var values = new float[rows.Length * longest];
        for (int i = 0; i < rows.Length; i++)
            rows[i].CopyTo(values, i * longest);
        using var scope = NewDisposeScope();
        return tensor(values, ScalarType.Float32, CPU).reshape(rows.Length, -1, _width).to(_type).to(batch.Ids.device).MoveToOuterDisposeScope();
    }

    private void Add(Batch batch, Tensor features)
    {
        int stride = (int)(features.shape[1] * _width);
        float[] values = features.to(ScalarType.Float32).cpu().contiguous().data<float>().ToArray();
        for (int i = 0; i < batch.Examples.Count; i++)
        {
            int length = (int)(Positions(batch.Examples[i], batch, features.shape[1]) * _width);
            _features[batch.Examples[i]] = values.AsSpan(i * stride, length).ToArray();
        }
    }

    // Padding is cut off, so that a row takes no more than it needs and joins batches of any length.
    private static long Positions(Example example, Batch batch, long computed)
    {
        if (batch.Positions is not null)
            return example.Positions.Length;
        return computed == batch.Ids.shape[1] ? example.Length : computed;
    }
}
