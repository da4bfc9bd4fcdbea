using Microsoft.ML.Data;

namespace Microsoft.ML.Peft.Data;

/// <summary>A cursor over a source's columns alone, under the indices of a layout.</summary>
internal sealed class PassThroughCursor(ColumnSelection selection, DataViewRowCursor source) : DataViewRowCursor
{
    public override long Position => source.Position;

    public override long Batch => source.Batch;

    public override DataViewSchema Schema => selection.Layout.Schema;

    public override bool IsColumnActive(DataViewSchema.Column column) => selection.IsActive(column);

    public override ValueGetter<DataViewRowId> GetIdGetter() => source.GetIdGetter();

    public override bool MoveNext() => source.MoveNext();

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
    {
        selection.Check(column);
        selection.Layout.IsAdded(column, out int index);
        return source.GetGetter<TValue>(source.Schema[index]);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            source.Dispose();
        base.Dispose(disposing);
    }
}
