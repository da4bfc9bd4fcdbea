using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>How much of an adapter's update arrives in matrices that are quantized again.</summary>
internal sealed class MergeLosses
{
    private const long ChunkElements = 1 << 20;

    private readonly List<MergedMatrix> _matrices = [];
    private Sums _all;

    public IReadOnlyList<MergedMatrix> Matrices => _matrices;

    /// <summary>Of all matrices together; null where none was quantized again.</summary>
    public MergedMatrix? Overall => _matrices.Count == 0 ? null : Of("", _all);

    /// <param name="name">The weight.</param>
    /// <param name="before">The matrix that was merged into.</param>
    /// <param name="wanted">The same with the update.</param>
    /// <param name="found">What quantizing that gave.</param>
    public void Add(string name, Tensor before, Tensor wanted, Tensor found)
    {
        Sums sums = default;
        long rows = Math.Max(1, ChunkElements / before.size(1));
        for (long row = 0; row < before.size(0); row += rows)
        {
            using var scope = NewDisposeScope();
            long count = Math.Min(rows, before.size(0) - row);
            Tensor from = before.narrow(0, row, count);
            Tensor update = wanted.narrow(0, row, count) - from, change = found.narrow(0, row, count) - from;
            sums += new Sums(Sum(update * update), Sum(update * change), Sum((change - update).square()));
        }
        _matrices.Add(Of(name, sums));
        _all += sums;
    }

    private static double Sum(Tensor values) => values.sum(ScalarType.Float64).item<double>();

    // An update of nothing arrives.
    private static MergedMatrix Of(string name, Sums sums) =>
        sums.Update == 0 ? new(name, 1, 0) : new(name, sums.Along / sums.Update, Math.Sqrt(sums.Missed / sums.Update));

    private readonly record struct Sums(double Update, double Along, double Missed)
    {
        public static Sums operator +(Sums a, Sums b) => new(a.Update + b.Update, a.Along + b.Along, a.Missed + b.Missed);
    }
}
