namespace Microsoft.ML.Peft.Data;

/// <summary>Scores rows in batches of rows alike in length, so that little is padded.</summary>
internal static class LengthOrder
{
    /// <summary>One prediction for each row, in the rows' own order.</summary>
    public static IReadOnlyList<object> Predict<TRow>(IBatchScorer<TRow> scorer, IReadOnlyList<TRow> rows, CancellationToken token = default)
        where TRow : class
    {
        var predictions = new object[rows.Count];
        foreach (int[] batch in Enumerable.Range(0, rows.Count).OrderBy(i => scorer.LengthOf(rows[i])).Chunk(scorer.BatchSize))
        {
            token.ThrowIfCancellationRequested();
            IReadOnlyList<object> some = scorer.Predict([.. batch.Select(i => rows[i])]);
            for (int i = 0; i < batch.Length; i++)
                predictions[batch[i]] = some[i];
        }
        return predictions;
    }
}
