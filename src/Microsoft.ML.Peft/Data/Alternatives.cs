namespace Microsoft.ML.Peft.Data;

/// <summary>A row of alternatives that are compared with each other (the choices of a question): each is a row of a batch's tensors.</summary>
internal static class Alternatives
{
    // One number for each token, or for each alternative.
    private static readonly Field<int>[] s_along = [Fields.Positions, Fields.BlockPositions, Fields.ContextLength];

    /// <summary>Alternatives as one row.</summary>
    public static Example Join(IReadOnlyList<Example> parts)
    {
        int[] starts = new int[parts.Count];
        for (int i = 1; i < starts.Length; i++)
            starts[i] = starts[i - 1] + parts[i - 1].Length;
        int[] Moved(Field<int> field) => [.. parts.SelectMany((part, i) => part.Get(field).Select(place => place + starts[i]))];
        var row = new Example
        {
            Ids = [.. parts.SelectMany(part => part.Ids)],
            ReadPositions = Moved(Fields.ReadPositions),
            Truncated = parts.Any(part => part.Truncated),
        }.With(Fields.Alternatives, starts).With(Fields.AnswerTokens, [.. parts.SelectMany(part => part.Get(Fields.AnswerTokens))]);
        foreach (Field<int> field in s_along)
        {
            if (parts[0].Has(field))
                row = row.With(field, [.. parts.SelectMany(part => part.Get(field))]);
        }
        int[] places = Moved(Fields.VirtualPlaces);
        return places.Length == 0 ? row : row.With(Fields.VirtualPlaces, places);
    }

    /// <summary>The alternatives of a row; a row that has none is its only one.</summary>
    public static IEnumerable<Example> Of(Example row)
    {
        int[] starts = row.Get(Fields.Alternatives), reads = row.ReadPositions, tokens = row.Get(Fields.AnswerTokens), places = row.Get(Fields.VirtualPlaces);
        if (starts.Length == 0)
            return [row];
        int each = places.Length / starts.Length;
        return starts.Select((start, i) =>
        {
            int end = i + 1 < starts.Length ? starts[i + 1] : row.Length;
            int[] own = [.. Enumerable.Range(0, reads.Length).Where(at => reads[at] >= start && reads[at] < end)];
            Example part = new Example { Ids = row.Ids[start..end], ReadPositions = Array.ConvertAll(own, at => reads[at] - start) }
                .With(Fields.AnswerTokens, Array.ConvertAll(own, at => tokens[at]));
            foreach (Field<int> field in s_along.Where(row.Has))
                part = part.With(field, field == Fields.ContextLength ? [row.Get(field)[i]] : row.Get(field)[start..end]);
            return each == 0 ? part : part.With(Fields.VirtualPlaces, Array.ConvertAll(places[(i * each)..((i + 1) * each)], place => Math.Max(0, place - start)));
        });
    }
}
