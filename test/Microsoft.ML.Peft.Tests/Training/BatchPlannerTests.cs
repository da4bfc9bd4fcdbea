using Microsoft.ML.Peft.Training;

namespace Microsoft.ML.Peft.Tests.Training;

[TestClass]
public sealed class BatchPlannerTests
{
    private static readonly int[] Lengths = [.. Enumerable.Range(0, 1000).Select(i => 1 + i * 37 % 128)];

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Every_row_comes_once_an_epoch_in_an_order_of_its_own(bool grouped)
    {
        int[] first = Rows(0), second = Rows(1);
        CollectionAssert.AreEquivalent(Enumerable.Range(0, 1000).ToArray(), first);
        CollectionAssert.AreEquivalent(first, second);
        CollectionAssert.AreNotEqual(first, second);
        CollectionAssert.AreEqual(first, Rows(0));

        int[] Rows(int epoch) => [.. BatchPlanner.ForEpoch(Lengths, 8, grouped, 5, epoch).SelectMany(parts => parts).SelectMany(rows => rows)];
    }

    [TestMethod]
    public void Grouping_saves_padding()
    {
        Assert.IsLessThan(0.35 * Padding(false), Padding(true));

        int Padding(bool grouped) => BatchPlanner.ForEpoch(Lengths, 8, grouped, 5, 0).SelectMany(parts => parts)
            .Sum(b => b.Length * b.Max(row => Lengths[row]) - b.Sum(row => Lengths[row]));
    }

    // Long rows of one label and short ones of the other must meet in a batch.
    [TestMethod]
    [DataRow(32, 2)]
    [DataRow(13, 1)]
    public void A_batch_mixes_lengths_and_its_parts_do_not(int batchSize, int parts)
    {
        IReadOnlyList<int[][]> batches = BatchPlanner.ForEpoch(Lengths, batchSize, groupByLength: true, seed: 5, epoch: 0);
        Assert.HasCount((1000 + batchSize - 1) / batchSize, batches);
        Assert.IsTrue(batches.SkipLast(1).All(batch => batch.Length == parts));
        double Spread(IEnumerable<int[]> groups) => groups.Average(rows => rows.Max(row => Lengths[row]) - rows.Min(row => Lengths[row]));
        Assert.IsLessThan(8, Spread(batches.SelectMany(batch => batch)));
        if (parts > 1)
            Assert.IsGreaterThan(30, Spread(batches.Select(batch => batch.SelectMany(rows => rows).ToArray())));
    }

    [TestMethod]
    public void Small_data_makes_other_batches_every_epoch()
    {
        string[] Batches(int epoch) =>
            [.. BatchPlanner.ForEpoch(Lengths[..64], 8, groupByLength: true, seed: 5, epoch).Select(parts => string.Join(' ', parts.SelectMany(rows => rows).Order()))];
        Assert.IsFalse(Batches(0).Intersect(Batches(1)).Any());
    }

    [TestMethod]
    public void Scoring_keeps_to_its_window_and_restores_the_order()
    {
        IReadOnlyList<int[]> batches = BatchPlanner.ForScoring(Lengths, 8);
        Assert.AreEqual((8 * BatchPlanner.WindowBatches) - 1, batches.Take(BatchPlanner.WindowBatches).SelectMany(b => b).Max());
        int[] restored = BatchPlanner.InRowOrder(batches, batches.Select(b => Array.ConvertAll(b, row => Lengths[row])));
        CollectionAssert.AreEqual(Lengths, restored);
    }

    [TestMethod]
    public void Numbers_are_even_and_within_bounds()
    {
        var random = new SplitMix64(1);
        int[] counts = new int[7];
        for (int i = 0; i < 70_000; i++)
            counts[random.Next(7)]++;
        Assert.IsTrue(counts.All(c => Math.Abs(c - 10_000) < 400));
        double[] reals = [.. Enumerable.Range(0, 10_000).Select(_ => random.NextDouble())];
        Assert.AreEqual(0.5, reals.Average(), 0.02);
        Assert.IsTrue(reals.All(r => r is >= 0 and < 1));
        Assert.AreEqual(3, random.Next(3, 4));
    }
}
