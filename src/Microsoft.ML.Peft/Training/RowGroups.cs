using Microsoft.ML.Peft.Data;

namespace Microsoft.ML.Peft.Training;

/// <summary>What batches are planned by: how long each row is, and which rows may share a batch.</summary>
/// <param name="Lengths">Tokens of each row.</param>
/// <param name="Groups">The rows of each group, in their order; rows of different groups share no batch.</param>
internal sealed record RowGroups(IReadOnlyList<int> Lengths, IReadOnlyList<int[]> Groups)
{
    public static RowGroups Of(IReadOnlyList<Example> rows, ITrainingObjective task)
    {
        // Once over the rows: they may lie on the disk.
        var each = rows.Select((row, i) => (Number: i, row.Length, Group: task.GroupOf(row))).ToArray();
        return new RowGroups(
            Array.ConvertAll(each, row => row.Length),
            [.. each.GroupBy(row => row.Group).OrderBy(group => group.Key).Select(group => group.Select(row => row.Number).ToArray())]);
    }

    /// <summary>The batches of one epoch: those of each group, in random order; a function of seed and epoch alone.</summary>
    /// <inheritdoc cref="BatchPlanner.ForEpoch"/>
    public IReadOnlyList<int[][]> ForEpoch(int batchSize, bool groupByLength, long seed, int epoch, int most)
    {
        if (Groups.Count == 1)
            return BatchPlanner.ForEpoch(Lengths, batchSize, groupByLength, seed, epoch, most);
        var random = new SplitMix64(seed, epoch);
        int[][][] batches =
        [
            .. Groups.SelectMany((rows, group) => BatchPlanner.ForEpoch(LengthsOf(rows), batchSize, groupByLength, SplitMix64.Derive(seed, group), epoch, most)
                .Select(parts => Array.ConvertAll(parts, part => Numbers(rows, part)))),
        ];
        random.Permute<int[][]>(batches);
        return batches;
    }

    /// <summary>The batches in which the rows are scored.</summary>
    public IReadOnlyList<int[]> ForScoring(int batchSize) =>
        [.. Groups.SelectMany(rows => BatchPlanner.ForScoring(LengthsOf(rows), batchSize).Select(batch => Numbers(rows, batch)))];

    private int[] LengthsOf(int[] rows) => Array.ConvertAll(rows, row => Lengths[row]);

    private static int[] Numbers(int[] rows, int[] places) => Array.ConvertAll(places, place => rows[place]);
}
