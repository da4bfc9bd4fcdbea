namespace Microsoft.ML.Peft.Training.Estimates;

/// <summary>Seconds of a forward and backward pass: a constant, a part that goes with the rows (pictures), with the tokens, with tokens times length.</summary>
internal sealed class PassTime
{
    private const int Terms = 4, Rounds = 1000;

    private readonly double[] _factors = new double[Terms];

    /// <param name="passes">Passes that were measured.</param>
    public PassTime(IReadOnlyList<(int Rows, int Length, double Seconds)> passes)
    {
        // Least squares of the relative errors, under factors of at least 0: one factor after the other.
        var products = new double[Terms, Terms];
        var sums = new double[Terms];
        foreach (var (rows, length, seconds) in passes)
        {
            double[] terms = Array.ConvertAll(TermsOf(rows, length), term => term / seconds);
            for (int k = 0; k < Terms; k++)
            {
                sums[k] += terms[k];
                for (int j = 0; j < Terms; j++)
                    products[k, j] += terms[k] * terms[j];
            }
        }
        for (int i = 0; i < Rounds * Terms; i++)
        {
            int k = i % Terms;
            double others = Enumerable.Range(0, Terms).Where(j => j != k).Sum(j => products[k, j] * _factors[j]);
            _factors[k] = Math.Max(0, (sums[k] - others) / products[k, k]);
        }
    }

    public double Of(int rows, int length) => TermsOf(rows, length).Zip(_factors).Sum(pair => pair.First * pair.Second);

    private static double[] TermsOf(int rows, int length) => [1, rows, (double)rows * length, (double)rows * length * length];
}
