using Microsoft.ML.Peft.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Tasks;

/// <summary>Numbers captions as they come: those of the same tokens have the same number, from 0.</summary>
internal sealed class Captions : IEqualityComparer<int[]>
{
    private readonly Dictionary<int[], int> _numbers;

    public Captions() => _numbers = new(this);

    /// <summary>The number of a row's caption.</summary>
    public int NumberOf(Example row)
    {
        if (!_numbers.TryGetValue(row.Ids, out int number))
            _numbers.Add(row.Ids, number = _numbers.Count);
        return number;
    }

    /// <summary>How many rows have a caption that another has too.</summary>
    public static int CountShared(IEnumerable<Example> rows)
    {
        var captions = new Captions();
        return rows.GroupBy(captions.NumberOf).Select(same => same.Count()).Where(count => count > 1).Sum();
    }

    /// <summary>Which pairs of different rows have the same caption [B, B], bool; null where no two have.</summary>
    public static Tensor? Alike(IReadOnlyList<Example> rows, Device device)
    {
        var captions = new Captions();
        long[] numbers = [.. rows.Select(row => (long)captions.NumberOf(row))];
        if (captions._numbers.Count == rows.Count)
            return null;
        using var scope = NewDisposeScope();
        Tensor each = tensor(numbers, ScalarType.Int64, device);
        Tensor alike = each.unsqueeze(0).eq(each.unsqueeze(1));
        alike.diagonal().fill_(false);
        return alike.MoveToOuterDisposeScope();
    }

    bool IEqualityComparer<int[]>.Equals(int[]? left, int[]? right) => left.AsSpan().SequenceEqual(right);

    int IEqualityComparer<int[]>.GetHashCode(int[] ids)
    {
        var hash = new HashCode();
        foreach (int id in ids)
            hash.Add(id);
        return hash.ToHashCode();
    }
}
