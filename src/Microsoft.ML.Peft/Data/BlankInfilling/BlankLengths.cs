namespace Microsoft.ML.Peft.Data.BlankInfilling;

/// <summary>Lengths of short blanks: Poisson's distribution about <see cref="Mean"/>, of which the lengths from 1 to <see cref="Longest"/> are drawn.</summary>
internal static class BlankLengths
{
    public const int Mean = 3, Longest = 39;

    private static readonly double[] s_weights = [.. Enumerable.Range(1, Longest).Select(Probability)];

    /// <summary>Poisson's probability of each length, the first that of 1.</summary>
    public static IReadOnlyList<double> Weights => s_weights;

    /// <summary>Draws lengths until they are <paramref name="wanted"/> tokens together. The last may go beyond that, and none beyond the room.</summary>
    /// <param name="wanted">Tokens that are to be missing, at least.</param>
    /// <param name="room">Tokens that blanks may take, at least one token between two of them included.</param>
    /// <param name="random">Draws.</param>
    public static int[] Draw(int wanted, int room, Random random)
    {
        var lengths = new List<int>();
        for (int sum = 0; sum < wanted && room > 0; sum += lengths[^1], room -= lengths[^1] + 1)
            lengths.Add(One(Math.Min(room, Longest), random));
        return [.. lengths];
    }

    private static int One(int longest, Random random)
    {
        double left = random.NextDouble() * s_weights.AsSpan(0, longest).ToArray().Sum();
        for (int length = 1; length < longest; length++)
        {
            left -= s_weights[length - 1];
            if (left < 0)
                return length;
        }
        return longest;
    }

    private static double Probability(int length)
    {
        double probability = Math.Exp(-Mean);
        for (int i = 1; i <= length; i++)
            probability *= (double)Mean / i;
        return probability;
    }
}
