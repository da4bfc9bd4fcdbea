namespace Microsoft.ML.VisionLanguage.Images;

/// <summary>What pixels of a resized line are made of: neighbouring pixels and their weights, in fixed point as PIL has them.</summary>
internal sealed class ResamplingWindows
{
    /// <summary>Bits behind the point: eight bits of a pixel, and two for sums beyond it.</summary>
    public const int Fraction = 32 - 8 - 2;

    /// <summary>Pixels that are summed at once: windows are filled up to an even number with weights of 0.</summary>
    public const int Pair = 2;

    private readonly int[] _starts;

    private ResamplingWindows(int[] starts, int[][] weights, int from)
    {
        _starts = starts;
        Pairs = (weights.Max(window => window.Length) + Pair - 1) / Pair;
        int width = Pairs * Pair;
        Weights = new int[starts.Length * width];
        for (int i = 0; i < weights.Length; i++)
        {
            // Filled up at its beginning where there is no room behind it.
            int back = Math.Min(starts[i], Math.Max(0, starts[i] + width - from));
            starts[i] -= back;
            weights[i].CopyTo(Weights, (i * width) + back);
        }
        First = starts.Min();
        End = Math.Min(from, starts.Max() + width);
    }

    /// <summary>How many windows there are.</summary>
    public int Count => _starts.Length;

    /// <summary>Pairs of pixels of each window.</summary>
    public int Pairs { get; }

    /// <summary>Window by window, as many as all have.</summary>
    public int[] Weights { get; }

    /// <summary>The first pixel that any window reads.</summary>
    public int First { get; }

    /// <summary>The pixel behind the last one that any window reads.</summary>
    public int End { get; }

    /// <summary>The first pixel of each window.</summary>
    public ReadOnlySpan<int> Starts => _starts;

    /// <param name="kernel">The kernel.</param>
    /// <param name="from">Pixels of the line.</param>
    /// <param name="to">Pixels of the resized line.</param>
    /// <param name="first">The first of those that are wanted.</param>
    /// <param name="count">How many are wanted.</param>
    public static ResamplingWindows Of(ResamplingKernel kernel, int from, int to, int first, int count)
    {
        double scale = (double)from / to;
        if (from == to || kernel.Support == 0)
            return new ResamplingWindows(Nearest(scale, to)[first..(first + count)], [.. Enumerable.Repeat(new[] { 1 << Fraction }, count)], from);
        double stretch = Math.Max(scale, 1), support = kernel.Support * stretch, shrink = 1 / stretch;
        var starts = new int[count];
        var weights = new int[count][];
        for (int i = 0; i < count; i++)
        {
            double center = (first + i + 0.5) * scale;
            starts[i] = Math.Max(0, (int)(center - support + 0.5));
            var window = new double[Math.Min(from, (int)(center + support + 0.5)) - starts[i]];
            for (int x = 0; x < window.Length; x++)
                window[x] = kernel.Weight((x + starts[i] - center + 0.5) * shrink);
            double sum = window.Sum();
            weights[i] = Array.ConvertAll(window, weight => Fixed(sum == 0 ? 0 : weight / sum));
        }
        return new ResamplingWindows(starts, weights, from);
    }

    // Added up as PIL does, rounding included.
    private static int[] Nearest(double scale, int to)
    {
        var places = new int[to];
        double at = scale * 0.5;
        for (int i = 0; i < to; i++, at += scale)
            places[i] = (int)at;
        return places;
    }

    private static int Fixed(double weight) => (int)((weight * (1 << Fraction)) + (weight < 0 ? -0.5 : 0.5));
}
