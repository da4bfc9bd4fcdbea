namespace Microsoft.ML.VisionLanguage.Tasks;

/// <summary>The best of many scores.</summary>
internal static class Ranking
{
    /// <summary>The places of the highest scores, the highest first, of equal ones the earlier; NaN is no score.</summary>
    /// <param name="scores">The scores.</param>
    /// <param name="count">How many, as far as there are so many.</param>
    public static int[] Top(ReadOnlySpan<float> scores, int count)
    {
        // The worst of those kept stands first, of equal ones the later.
        var kept = new PriorityQueue<int, (float Score, int Place)>(count + 1);
        for (int place = 0; place < scores.Length; place++)
        {
            if (float.IsNaN(scores[place]))
                continue;
            if (kept.Count < count)
                kept.Enqueue(place, (scores[place], -place));
            else if (count > 0 && scores[place] > scores[kept.Peek()])
                kept.EnqueueDequeue(place, (scores[place], -place));
        }
        var best = new int[kept.Count];
        for (int i = best.Length - 1; i >= 0; i--)
            best[i] = kept.Dequeue();
        return best;
    }

    /// <summary>What stands at places that were found, filled up to a length.</summary>
    /// <param name="places">The places.</param>
    /// <param name="count">The length.</param>
    /// <param name="valueAt">Gives a place's value.</param>
    /// <param name="missing">What stands for one that was not found.</param>
    public static T[] Values<T>(int[] places, int count, Func<int, T> valueAt, T missing)
    {
        var values = new T[count];
        for (int i = 0; i < count; i++)
            values[i] = i < places.Length ? valueAt(places[i]) : missing;
        return values;
    }
}
