using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Samples;

/// <summary>A text and its class.</summary>
internal sealed partial record LabelledText(string Text, string Label)
{
    /// <summary>What near-duplicates have in common: letters in lower case, numbers as 0.</summary>
    public string Normalized { get; } = Other().Replace(Digits().Replace(Text.ToLowerInvariant(), "0"), " ").Trim();

    /// <summary>A number that the normalized text alone decides.</summary>
    public ulong Hash => BitConverter.ToUInt64(SHA256.HashData(Encoding.UTF8.GetBytes(Normalized)));

    [GeneratedRegex(@"\d+")]
    private static partial Regex Digits();

    [GeneratedRegex(@"[^\p{L}0]+")]
    private static partial Regex Other();
}

/// <summary>Rows to train on, to choose by and to report on. A text and its near-duplicates are in one part.</summary>
internal sealed record DataSplit(IReadOnlyList<LabelledText> Train, IReadOnlyList<LabelledText> Validation, IReadOnlyList<LabelledText> Test)
{
    private const int Parts = 10;

    /// <summary>A tenth for validation and a fifth for testing, then the cap: <paramref name="rows"/> for training, a sixth and a third of that.</summary>
    /// <exception cref="InvalidDataException">A part is empty.</exception>
    public static DataSplit Of(IReadOnlyList<LabelledText> all, int rows)
    {
        ILookup<int, LabelledText> parts = all.OrderBy(row => row.Hash).ToLookup(row => (int)(row.Hash % Parts));
        DataSplit split = new(Take(parts, 3..Parts, rows), Take(parts, 2..3, Share(rows, 6)), Take(parts, 0..2, Share(rows, 3)));
        return split is { Train: [_, ..], Validation: [_, ..], Test: [_, ..] }
            ? split
            : throw new InvalidDataException($"{all.Count} rows are too few to train, validate and test on; some dozens are needed.");
    }

    private static int Share(int rows, int parts) => Math.Max(1, rows / parts);

    private static LabelledText[] Take(ILookup<int, LabelledText> parts, Range which, int most) =>
        [.. Enumerable.Range(which.Start.Value, which.End.Value - which.Start.Value).SelectMany(i => parts[i]).OrderBy(row => row.Hash).Take(most)];
}
