using Microsoft.ML.Data;

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
        DataViewRowCursor cursor = source.GetRowCursor(selection.Dependencies(scorer.InputColumns(source.Schema)), rand);
        return selection.NeedsScores ? new BatchedCursor<TPart, TPrediction>(selection, cursor, scorer) : new PassThroughCursor(selection, cursor);
    }

    /// <summary>One cursor: the model itself spreads a batch over the cores.</summary>
    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];
}

/// <summary>Scores a row at a time, for <c>PredictionEngine</c>: one forward pass for all of a row's outputs.</summary>
internal sealed class RowMapper<TPart, TPrediction>(DataViewSchema input, IBatchScorer<TPart, TPrediction> scorer) : IRowToRowMapper
{
    private readonly ColumnLayout _layout = new(input, scorer.Outputs);

    public DataViewSchema InputSchema => _layout.Input;

    public DataViewSchema OutputSchema => _layout.Schema;

    public IEnumerable<DataViewSchema.Column> GetDependencies(IEnumerable<DataViewSchema.Column> dependingColumns) =>
        new ColumnSelection(_layout, dependingColumns).Dependencies(scorer.InputColumns(input));

    public DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns) =>
        new ScoredRow<TPart, TPrediction>(new ColumnSelection(_layout, activeColumns), input, scorer);
}
