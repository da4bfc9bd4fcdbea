using Microsoft.ML.Peft.Data;

namespace Microsoft.ML.Peft.Training.Estimates;

/// <summary>Batches in small: fewer rows, each of fewer tokens, with their share of all that goes with tokens.</summary>
internal static class ShortRows
{
    /// <param name="batch">The rows of a batch, longest first.</param>
    /// <param name="rows">How many rows there are to be: the longest, the shortest and some between, so that they are padded where the batch is.</param>
    /// <param name="length">The length of the longest.</param>
    public static Example[] Of(IReadOnlyList<Example> batch, int rows, int length) =>
        [.. Spread(batch.Count, rows).Select(i => Shorten(batch[i], batch[0].Length, length))];

    private static Example Shorten(Example row, int longest, int length)
    {
        double share = (double)length / Math.Max(1, longest);
        int tokens = row.Length == longest ? length : Math.Clamp((int)Math.Round(row.Length * share), 1, Math.Max(1, length - 1));
        row = Thin(row, Fields.Ids, tokens);
        row = Thin(row, Fields.TypeIds, tokens);
        row = Thin(row, Fields.Positions, tokens);
        row = Thin(row, Fields.BlockPositions, tokens);
        row = Thin(row, Fields.ContextEnds, tokens, end => Math.Max(1, (int)(end * share)));
        row = Thin(row, Fields.ContextLength, row.CountOf(Fields.ContextLength), count => Math.Max(1, (int)(count * share)));
        row = Thin(row, Fields.ReadPositions, Share(row.ReadPositions.Length, share), position => (int)(position * share));
        row = Thin(row, Fields.VirtualPlaces, row.CountOf(Fields.VirtualPlaces), place => (int)(place * share));
        row = Thin(row, Fields.Alternatives, row.CountOf(Fields.Alternatives), start => (int)(start * share));
        row = Thin(row, Fields.AnswerTokens, Share(row.CountOf(Fields.AnswerTokens), share));
        row = Thin(row, Fields.Starts, row.Starts.Length, start => (int)(start * share));
        // A label that no loss counts could leave nothing to learn.
        return Thin(row, Fields.Labels, Share(row.Labels.Length, share), label => Math.Max(label, 0));
    }

    private static int Share(int count, double share) => (int)Math.Ceiling(count * share);

    private static Example Thin<T>(Example row, Field<T> field, int count, Func<T, T>? change = null)
        where T : unmanaged
    {
        T[] values = row.Get(field);
        // Of a text that is to be one token its last stays: there are models that read it where it ends.
        return values.Length == 0 ? row : row.With(field, [.. Spread(values.Length, Math.Min(count, values.Length), only: values.Length - 1).Select(i => change is null ? values[i] : change(values[i]))]);
    }

    /// <summary>As many of the first numbers, evenly: the first and the last among them, or the only one.</summary>
    private static IEnumerable<int> Spread(int numbers, int count, int only = 0) =>
        Enumerable.Range(0, count).Select(i => count == 1 ? only : (int)((long)i * (numbers - 1) / (count - 1)));
}
