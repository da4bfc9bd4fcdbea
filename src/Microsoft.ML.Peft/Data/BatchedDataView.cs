namespace Microsoft.ML.Peft.Data;

/// <summary>A data view with scored columns: its cursor reads ahead and scores many rows at once.</summary>
internal sealed class BatchedDataView<TPart, TPrediction>(IDataView source, IBatchScorer<TPart, TPrediction> scorer) : IDataView
{
    private readonly ColumnLayout _layout = new(source.Schema, scorer.Outputs);

    public bool CanShuffle => source.CanShuffle;

    public DataViewSchema Schema => _layout.Schema;

    public long? GetRowCount() => source.GetRowCount();

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null)
    {
        var selection = new ColumnSelection(_layout, columnsNeeded);
        DataViewRowCursor cursor = source.GetRowCursor(selection.Dependencies(scorer.InputColumns), rand);
        return selection.NeedsScores ? new BatchedCursor<TPart, TPrediction>(selection, cursor, scorer) : new PassThroughCursor(selection, cursor);
    }

    /// <summary>One cursor: the model itself spreads a batch over the cores.</summary>
    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];
}
