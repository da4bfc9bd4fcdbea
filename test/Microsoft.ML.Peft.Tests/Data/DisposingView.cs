using Microsoft.ML.Data;

namespace Microsoft.ML.Peft.Tests.Data;

/// <summary>Stands for a picture.</summary>
internal sealed class Picture(int row) : IDisposable
{
    public int Row { get; } = row;

    public bool Disposed { get; private set; }

    public void Dispose() => Disposed = true;
}

/// <summary>A source whose getter disposes what it overwrites, as ML.NET's image loader does.</summary>
internal sealed class DisposingView : IDataView
{
    private readonly int _rows;

    public DisposingView(int rows)
    {
        _rows = rows;
        var builder = new DataViewSchema.Builder();
        builder.AddColumn("Picture", new PictureType());
        builder.AddColumn("Text", TextDataViewType.Instance);
        Schema = builder.ToSchema();
    }

    public bool CanShuffle => false;

    public DataViewSchema Schema { get; }

    public long? GetRowCount() => _rows;

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null) => new Cursor(this);

    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) => [new Cursor(this)];

    private sealed class PictureType() : StructuredDataViewType(typeof(Picture))
    {
        public override bool Equals(DataViewType? other) => other is PictureType;
    }

    private sealed class Cursor(DisposingView view) : DataViewRowCursor
    {
        private int _row = -1;

        public override long Position => _row;

        public override long Batch => 0;

        public override DataViewSchema Schema => view.Schema;

        public override bool IsColumnActive(DataViewSchema.Column column) => true;

        public override bool MoveNext() => ++_row < view._rows;

        public override ValueGetter<DataViewRowId> GetIdGetter() => (ref DataViewRowId id) => id = new DataViewRowId((ulong)_row, 0);

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column) => column.Index == 0
            ? (ValueGetter<TValue>)(object)(ValueGetter<Picture>)LoadPicture
            : (ValueGetter<TValue>)(object)(ValueGetter<ReadOnlyMemory<char>>)((ref ReadOnlyMemory<char> text) => text = new string('x', _row % 5).AsMemory());

        private void LoadPicture(ref Picture picture)
        {
            picture?.Dispose();
            picture = new Picture(_row);
        }
    }
}
