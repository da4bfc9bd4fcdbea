namespace Microsoft.ML.Peft.Data;

/// <summary>Scores rows in batches of parts alike in length, so that little is padded.</summary>
internal static class LengthOrder
{
    /// <summary>One prediction for each row, in the rows' own order.</summary>
    /// <param name="scorer">What predicts.</param>
    /// <param name="rows">The parts of each row.</param>
    /// <param name="token">Ends it early.</param>
    public static TPrediction[] Predict<TPart, TPrediction>(
        IBatchScorer<TPart, TPrediction> scorer, IReadOnlyList<IReadOnlyList<TPart>> rows, CancellationToken token = default)
    {
        TPart[] parts = [.. rows.SelectMany(row => row)];
        var predictions = new TPrediction[parts.Length];
        int[] order = [.. Enumerable.Range(0, parts.Length).OrderBy(i => scorer.LengthOf(parts[i]))];
        int done = 0;
        foreach (Pending<IReadOnlyList<TPrediction>> batch in order.Chunk(scorer.BatchSize).Select(rows => scorer.Begin(Array.ConvertAll(rows, i => parts[i]))).OneAhead())
        {
            token.ThrowIfCancellationRequested();
            foreach (TPrediction prediction in batch.Finish())
                predictions[order[done++]] = prediction;
        }
        return parts.Length == rows.Count ? predictions : Join(scorer, rows, predictions);
    }

    private static TPrediction[] Join<TPart, TPrediction>(
        IBatchScorer<TPart, TPrediction> scorer, IReadOnlyList<IReadOnlyList<TPart>> rows, TPrediction[] predictions)
    {
        var joined = new TPrediction[rows.Count];
        for (int row = 0, first = 0; row < joined.Length; first += rows[row++].Count)
            joined[row] = rows[row].Count == 1 ? predictions[first] : scorer.Join(new ArraySegment<TPrediction>(predictions, first, rows[row].Count));
        return joined;
    }
}
