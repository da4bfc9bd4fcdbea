namespace Microsoft.ML.Peft.Training.Estimates;

/// <summary>The sizes of the steps that are measured for one that is not: what they take is linear in rows, and at most quadratic in length.</summary>
/// <param name="Rows">One number of rows or two.</param>
/// <param name="Lengths">Up to three lengths, rising.</param>
internal sealed record StepGrid(int[] Rows, int[] Lengths)
{
    // A square departs from the line by an eighth.
    private const int Curved = 20;

    /// <summary>Sizes of at most a quarter of the tokens, all of other lengths.</summary>
    public static StepGrid For(int rows, int length)
    {
        // One row alone is never padded.
        int[] counts = rows < 4 ? [rows] : [Math.Max(2, rows / 8), Math.Max(3, rows / 4)];
        int longest = Math.Max(1, (int)Math.Min(length / 2, (long)rows * length / (4 * counts[^1])));
        return new StepGrid(counts, [.. new[] { longest / 4, longest / 2, longest }.Where(l => l > 0).Distinct()]);
    }

    public IEnumerable<(int Rows, int Length)> Sizes => Rows.SelectMany(rows => Lengths.Select(length => (rows, length)));

    /// <summary>From values at <see cref="Sizes"/> to that at another size.</summary>
    /// <param name="rows">Its rows.</param>
    /// <param name="length">Its length.</param>
    /// <param name="values">One for each size.</param>
    /// <param name="isSum">Whether they are sums: a block is linear in the length or a square of it, a sum may be a bit of both.</param>
    public double At(int rows, int length, IReadOnlyList<double> values, bool isSum = false)
    {
        double[] byRows = [.. values.Chunk(Lengths.Length).Select(row => AtLength(row, length, isSum))];
        return byRows.Length == 1 ? byRows[0] : Line(Rows[0], byRows[0], Rows[1], byRows[1], rows);
    }

    // What is meant as a line and rounded to whole tokens departs from it by one at the most: a parabola would make much of that.
    private double AtLength(double[] values, int length, bool isSum)
    {
        double line = Lengths.Length == 1 ? values[0] : Line(Lengths[0], values[0], Lengths[^1], values[^1], length);
        if (Lengths.Length < 3)
            return line;
        double bend = values[1] - Line(Lengths[0], values[0], Lengths[2], values[2], Lengths[1]);
        if (!isSum && Math.Abs(bend) * Math.Max(Curved, Lengths[2]) <= Math.Abs(values[2]))
            return line;
        return line + (bend * (length - Lengths[0]) * (length - Lengths[2]) / ((Lengths[1] - Lengths[0]) * (double)(Lengths[1] - Lengths[2])));
    }

    private static double Line(double x0, double y0, double x1, double y1, double x) => y0 + ((y1 - y0) * (x - x0) / (x1 - x0));
}
