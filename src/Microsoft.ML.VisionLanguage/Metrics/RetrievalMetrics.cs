using System.Globalization;

namespace Microsoft.ML.VisionLanguage;

/// <summary>How well queries find what belongs to them in a gallery. Of equal scores the wrong one counts as the nearer.</summary>
public sealed class RetrievalMetrics
{
    private readonly SortedDictionary<int, double> _recall;

    /// <param name="queries">The ranks of what belongs to each query.</param>
    /// <param name="ks">The depths at which recall is asked for.</param>
    internal RetrievalMetrics(IReadOnlyCollection<RelevantRanks> queries, IEnumerable<int> ks)
    {
        Queries = queries.Count;
        _recall = new(ks.Distinct().ToDictionary(k => k, k => (double)queries.Count(query => query.First <= k) / queries.Count));
        double[] first = [.. queries.Select(query => query.First).Order()];
        MedianRank = (first[(first.Length - 1) / 2] + first[first.Length / 2]) / 2;
        MeanAveragePrecision = queries.Average(query => query.AveragePrecision);
    }

    /// <summary>The queries.</summary>
    public long Queries { get; }

    /// <summary>The depths at which <see cref="RecallAt"/> answers.</summary>
    public IReadOnlyCollection<int> Depths => _recall.Keys;

    /// <summary>
    /// The median over the queries of the rank, from 1, of the nearest row that belongs to the query; the mean of the two in the middle of an even number.
    /// Infinite where half of the queries or more found nothing of theirs among the rows that were given.
    /// </summary>
    public double MedianRank { get; }

    /// <summary>
    /// The mean over the queries of the average precision: the mean, over all rows that belong to the query, of the share of right rows down to that one's
    /// rank (0 for one that was not found).
    /// </summary>
    public double MeanAveragePrecision { get; }

    /// <summary>
    /// Recall at a depth as papers on CLIP have it: the share of queries with at least one row that belongs to them among the nearest <paramref name="k"/>.
    /// </summary>
    /// <param name="k">One of <see cref="Depths"/>.</param>
    /// <returns>From 0 to 1.</returns>
    /// <exception cref="ArgumentOutOfRangeException">It was not asked for.</exception>
    public double RecallAt(int k) => _recall.TryGetValue(k, out double recall) ? recall : throw new ArgumentOutOfRangeException(
        nameof(k), k, $"Recall was computed at {string.Join(", ", _recall.Keys)}.");

    /// <summary>The figures in a line.</summary>
    /// <returns>The line.</returns>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{string.Join(", ", _recall.Select(at => string.Create(CultureInfo.InvariantCulture, $"R@{at.Key} {at.Value:f3}")))}, median rank {MedianRank:0.#}, mAP {MeanAveragePrecision:f3} ({Queries} queries)");
}

/// <summary>Where in the ranking of a query the rows stand that belong to it.</summary>
/// <param name="Ranks">The ranks, from 1, in order, of those that were found.</param>
/// <param name="Count">How many belong to it, found or not.</param>
internal sealed record RelevantRanks(IReadOnlyList<int> Ranks, int Count)
{
    /// <summary>The first rank; infinite where nothing was found.</summary>
    public double First => Ranks.Count > 0 ? Ranks[0] : double.PositiveInfinity;

    public double AveragePrecision => Ranks.Select((rank, i) => (i + 1.0) / rank).Sum() / Count;
}
