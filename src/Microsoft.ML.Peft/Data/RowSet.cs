namespace Microsoft.ML.Peft.Data;

/// <summary>Rows read once, before the first epoch.</summary>
/// <param name="Examples">The rows that can be used, in the data's order.</param>
/// <param name="Skipped">How many rows had no label.</param>
internal sealed record RowSet(IReadOnlyList<Example> Examples, long Skipped)
{
    public int Truncated => Examples.Count(e => e.Truncated);

    /// <summary>Reads the named columns of a data view.</summary>
    /// <param name="data">The data.</param>
    /// <param name="columns">Columns that the reader asks for.</param>
    /// <param name="createReader">Makes a reader over a row's getters; it gives null for a row without a label.</param>
    /// <param name="checkCanceled">Called for each row; throws to stop.</param>
    public static RowSet Read(IDataView data, IEnumerable<string> columns, Func<DataViewRow, Func<Example?>> createReader, Action checkCanceled)
    {
        var examples = new List<Example>();
        long skipped = 0;
        using DataViewRowCursor cursor = data.GetRowCursor(columns.Distinct().Select(name => data.Schema[name]));
        Func<Example?> read = createReader(cursor);
        while (cursor.MoveNext())
        {
            checkCanceled();
            if (read() is { } example)
                examples.Add(example);
            else
                skipped++;
        }
        return new RowSet(examples, skipped);
    }
}
