using Microsoft.ML.Data;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>Data that remembers which columns it was asked for.</summary>
public sealed class RecordingDataView(IDataView source) : IDataView
{
    public List<string> Asked { get; } = [];

    public bool CanShuffle => source.CanShuffle;

    public DataViewSchema Schema => source.Schema;

    public long? GetRowCount() => source.GetRowCount();

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null)
    {
        DataViewSchema.Column[] columns = [.. columnsNeeded];
        Asked.AddRange(columns.Select(c => c.Name));
        return source.GetRowCursor(columns, rand);
    }

    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];
}
