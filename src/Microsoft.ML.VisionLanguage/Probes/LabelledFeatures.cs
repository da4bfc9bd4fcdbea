using Microsoft.ML.Peft;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Probes;

/// <summary>Rows of features, each with its class.</summary>
internal sealed class LabelledFeatures : IDisposable
{
    /// <param name="values">[N, width] of any float type; copied.</param>
    /// <param name="labels">The class of each row, from 0.</param>
    /// <param name="classes">How many classes there are.</param>
    public LabelledFeatures(Tensor values, int[] labels, int classes)
    {
        (Labels, Classes) = (labels, classes);
        Values = values.to(CPU).to(ScalarType.Float64, copy: true).DetachFromDisposeScope();
    }

    /// <summary>[N, width], float64, on the CPU.</summary>
    public Tensor Values { get; }

    public int[] Labels { get; }

    public int Classes { get; }

    public int Count => Labels.Length;

    public int Width => (int)Values.size(1);

    /// <summary>Some of the rows.</summary>
    public LabelledFeatures Take(int[] rows)
    {
        using var scope = NewDisposeScope();
        return new LabelledFeatures(Values.index_select(0, tensor(rows, ScalarType.Int64, CPU)), Array.ConvertAll(rows, row => Labels[row]), Classes);
    }

    /// <summary>These rows and others behind them.</summary>
    public LabelledFeatures With(LabelledFeatures others)
    {
        using var scope = NewDisposeScope();
        return new LabelledFeatures(cat([Values, others.Values]), [.. Labels, .. others.Labels], Classes);
    }

    /// <summary>Draws rows of each class; of a class that has fewer, all.</summary>
    /// <param name="count">How many of a class that has so many rows.</param>
    /// <param name="seed">Decides which.</param>
    /// <returns>The rows' numbers, in their order.</returns>
    public int[] Draw(Func<int, int> count, long seed) =>
        [.. ByClass().SelectMany(rows => Shuffled(rows, seed).Take(count(rows.Length))).Order()];

    /// <summary>How many rows each class has; classes without a row are left out.</summary>
    public IEnumerable<(int Class, int Rows)> Counts() => ByClass().Select(rows => (Labels[rows[0]], rows.Length));

    public void Dispose() => Values.Dispose();

    private IEnumerable<int[]> ByClass() =>
        Enumerable.Range(0, Count).GroupBy(row => Labels[row]).OrderBy(group => group.Key).Select(group => group.ToArray());

    // Each class has a stream of its own: what is drawn of one does not depend on the others.
    private int[] Shuffled(int[] rows, long seed)
    {
        int[] shuffled = [.. rows];
        new SplitMix64(seed, Labels[rows[0]]).Permute(shuffled.AsSpan());
        return shuffled;
    }
}
