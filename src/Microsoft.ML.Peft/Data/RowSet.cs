namespace Microsoft.ML.Peft.Data;

/// <summary>Rows read once, before the first epoch.</summary>
internal sealed class RowSet : IDisposable
{
    private readonly ExampleStore _examples = new();
    private readonly HashSet<int> _labels = [];

    /// <summary>What the rows that can be used give, in the data's order.</summary>
    public IReadOnlyList<Example> Examples => _examples;

    /// <summary>How many rows had no label.</summary>
    public long Skipped { get; private set; }

    /// <summary>How many rows the longest length left nothing to learn of.</summary>
    public long CutOff { get; private set; }

    /// <summary>How many rows were cut to the longest length.</summary>
    public long Truncated { get; private set; }

    /// <summary>How many rows have other tokens where prompt and answer meet than they would have as one text.</summary>
    public long SplitTokens { get; private set; }

    /// <summary>How many different labels there are.</summary>
    public int DistinctLabels => _labels.Count;

    /// <summary>Reads the named columns of a data view.</summary>
    /// <param name="data">The data.</param>
    /// <param name="columns">Columns that the reader asks for.</param>
    /// <param name="createReader">Makes a reader over a row's getters; it gives nothing for a row without a label.</param>
    /// <param name="checkCanceled">Called for each row; throws to stop.</param>
    public static RowSet Read(IDataView data, IEnumerable<string> columns, Func<DataViewRow, Func<IReadOnlyList<Example>>> createReader, Action checkCanceled)
    {
        var rows = new RowSet();
        try
        {
            using DataViewRowCursor cursor = data.GetRowCursor(columns.Distinct().Select(name => data.Schema[name]));
            Func<IReadOnlyList<Example>> read = createReader(cursor);
            while (cursor.MoveNext())
            {
                checkCanceled();
                rows.Take(read());
            }
            return rows;
        }
        catch
        {
            rows.Dispose();
            throw;
        }
    }

    public void Dispose() => _examples.Dispose();

    private void Take(IReadOnlyList<Example> row)
    {
        if (row.Count == 0)
            Skipped++;
        else if (ReferenceEquals(row[0], Example.CutOff))
            CutOff++;
        else
        {
            foreach (Example example in row)
                Take(example);
        }
    }

    private void Take(Example example)
    {
        _examples.Add(example);
        _labels.UnionWith(example.Classes);
        if (example.Truncated)
            Truncated++;
        if (example.SplitsToken)
            SplitTokens++;
    }
}
