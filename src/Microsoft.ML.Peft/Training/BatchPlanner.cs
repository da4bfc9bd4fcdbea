namespace Microsoft.ML.Peft.Training;

/// <summary>Which rows make up which batch. Rows of like length stand together, so that little padding is computed.</summary>
internal static class BatchPlanner
{
    /// <summary>Lengths are sorted within this many batches at most, as in transformers: wide enough to save padding, narrow enough to stay random.</summary>
    public const int WindowBatches = 50;

    /// <summary>A batch of an even number of rows is computed in this many parts.</summary>
    public const int Parts = 2;

    /// <summary>The batches of one epoch; a function of seed and epoch alone.</summary>
    /// <remarks>
    /// Lengths often go with labels, and a batch of one length then teaches one label. So the batch is put together at random
    /// from parts, and each part, padded by itself, holds rows of like length.
    /// </remarks>
    /// <param name="lengths">The length of each row in tokens.</param>
    /// <param name="batchSize">Rows in a batch; the last one takes what is left over.</param>
    /// <param name="groupByLength">Whether like lengths stand together.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="epoch">The epoch, from 0.</param>
    /// <param name="most">The parts of a batch: 1 for a loss of all its rows together.</param>
    /// <returns>Batch by batch its parts, as row indices: their gradients add up to the batch's.</returns>
    public static IReadOnlyList<int[][]> ForEpoch(IReadOnlyList<int> lengths, int batchSize, bool groupByLength, long seed, int epoch, int most = Parts)
    {
        var random = new SplitMix64(seed, epoch);
        int[] order = [.. Enumerable.Range(0, lengths.Count)];
        random.Permute<int>(order);
        if (!groupByLength)
            return [.. order.Chunk(batchSize).Select(rows => new[] { rows })];
        int count = batchSize % most == 0 ? most : 1;
        int[][] parts = [.. Grouped(order, lengths, batchSize / count, TrainingWindow(lengths.Count, batchSize) * count)];
        random.Permute<int[]>(parts);
        return [.. parts.Chunk(count)];
    }

    /// <summary>The batches in which rows are scored: every row once, none far from its neighbours.</summary>
    public static IReadOnlyList<int[]> ForScoring(IReadOnlyList<int> lengths, int batchSize) =>
        [.. Grouped([.. Enumerable.Range(0, lengths.Count)], lengths, batchSize, WindowBatches)];

    /// <summary>Puts results that come batch by batch back into the rows' own order.</summary>
    public static T[] InRowOrder<T>(IReadOnlyList<int[]> batches, IEnumerable<IReadOnlyList<T>> results)
    {
        var ordered = new T[batches.Sum(batch => batch.Length)];
        foreach (var (rows, values) in batches.Zip(results))
        {
            for (int i = 0; i < rows.Length; i++)
                ordered[rows[i]] = values[i];
        }
        return ordered;
    }

    // At least two windows: one alone would put the same rows together in every epoch.
    private static int TrainingWindow(int rows, int batchSize) => Math.Clamp(rows / batchSize / 2, 1, WindowBatches);

    // Longest first: a batch that does not fit into memory fails at once.
    private static IEnumerable<int[]> Grouped(int[] order, IReadOnlyList<int> lengths, int batchSize, int window) =>
        order.Chunk(batchSize * window).SelectMany(rows => rows.OrderByDescending(row => lengths[row]).Chunk(batchSize));
}
