namespace Microsoft.ML.VisionLanguage.Tasks;

/// <summary>The best of many scores.</summary>
internal static class Ranking
{
    /// <summary>The places of the highest scores, the highest first, of equal ones the earlier; NaN is below all.</summary>
    /// <param name="scores">The scores.</param>
    /// <param name="count">How many, as far as there are so many.</param>
    public static int[] Top(ReadOnlySpan<float> scores, int count)
    {
        // The worst of those kept stands first, of equal ones the later.
        var kept = new PriorityQueue<int, (float Score, int Place)>(count + 1);
        for (int place = 0; place < scores.Length; place++)
        {
            if (kept.Count < count)
                kept.Enqueue(place, (scores[place], -place));
            else if (count > 0 && scores[place].CompareTo(scores[kept.Peek()]) > 0)
                kept.EnqueueDequeue(place, (scores[place], -place));
        }
        var best = new int[kept.Count];
        for (int i = best.Length - 1; i >= 0; i--)
            best[i] = kept.Dequeue();
        return best;
    }
}
