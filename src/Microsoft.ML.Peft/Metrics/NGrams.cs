namespace Microsoft.ML.Peft.Metrics;

/// <summary>Runs of neighbouring words, counted.</summary>
internal static class NGrams
{
    /// <summary>How often each run of <paramref name="order"/> words stands in the text; its words joined by spaces.</summary>
    public static Dictionary<string, int> Count(string[] words, int order)
    {
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int first = 0; first + order <= words.Length; first++)
        {
            string gram = string.Join(' ', words, first, order);
            counts[gram] = counts.GetValueOrDefault(gram) + 1;
        }
        return counts;
    }

    /// <summary>How many the two have in common.</summary>
    public static int Common(Dictionary<string, int> one, Dictionary<string, int> other) =>
        one.Sum(gram => Math.Min(gram.Value, other.GetValueOrDefault(gram.Key)));

    /// <summary>The words between white space.</summary>
    public static string[] Words(string text) => text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);

    /// <summary>The harmonic mean of precision and recall, from counts.</summary>
    public static double F1(int common, int guessed, int real) =>
        common == 0 ? 0 : 2.0 * common / (guessed + real);
}
