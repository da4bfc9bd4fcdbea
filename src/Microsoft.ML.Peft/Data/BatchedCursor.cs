using Microsoft.ML.Data;

namespace Microsoft.ML.Peft.Data;

/// <summary>
/// Reads rows ahead, scores them in batches of rows alike in length, and hands them out in the source's order with the
/// source's ids.
/// </summary>
internal sealed class BatchedCursor<TPart, TPrediction> : DataViewRowCursor
{
    // The first window is one batch, so that a look at a few rows costs little; later ones double up to this.
    private const int MostBatches = 8;

    // A window of large rows (pictures) ends with the row that goes beyond these bytes.
    private const long MostBytes = 256 << 20;

    private readonly ColumnSelection _selection;
    private readonly DataViewRowCursor _source;
    private readonly IBatchScorer<TPart, TPrediction> _scorer;
    private readonly Dictionary<int, ColumnBuffer> _buffers;
    private readonly Func<IReadOnlyList<TPart>> _read;
    private readonly ValueGetter<DataViewRowId> _readId;
    private readonly List<IReadOnlyList<TPart>> _rows = [];
    private DataViewRowId[] _ids = [];
    private long[] _batches = [];
    private TPrediction[] _predictions = [];
    private int _current = -1, _windowBatches = 1;
    private long _position = -1;
    private bool _ended, _disposed;

    public BatchedCursor(ColumnSelection selection, DataViewRowCursor source, IBatchScorer<TPart, TPrediction> scorer)
    {
        (_selection, _source, _scorer) = (selection, source, scorer);
        _buffers = selection.PassedThrough.ToDictionary(c => c.Index, c => scorer.CreateBuffer(source, c) ?? ColumnBuffer.Create(source, c));
        _read = scorer.CreateReader(source);
        _readId = source.GetIdGetter();
    }

    public override long Position => _position;

    public override long Batch => _batches[Math.Max(0, _current)];

    public override DataViewSchema Schema => _selection.Layout.Schema;

    public override bool IsColumnActive(DataViewSchema.Column column) => _selection.IsActive(column);

    public override ValueGetter<DataViewRowId> GetIdGetter() => (ref DataViewRowId id) => id = _ids[Slot()];

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
    {
        _selection.Check(column);
        Delegate getter = _selection.Layout.IsAdded(column, out int index)
            ? _scorer.Outputs[index].CreateGetter(() => _predictions[Slot()])
            : _buffers[index].CreateGetter(Slot);
        return ColumnSelection.Typed<TValue>(getter, column);
    }

    public override bool MoveNext()
    {
        if (++_current < _rows.Count || ReadWindow())
        {
            _position++;
            return true;
        }
        _position = -1;
        return false;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && !_disposed)
        {
            _disposed = true;
            _scorer.Ended();
            _source.Dispose();
        }
        base.Dispose(disposing);
    }

    private bool ReadWindow()
    {
        _rows.Clear();
        _current = 0;
        long wanted = (long)_scorer.BatchSize * _windowBatches;
        _windowBatches = Math.Min(_windowBatches * 2, MostBatches);
        for (long parts = 0, bytes = 0; !_ended && parts < wanted && bytes < MostBytes;)
        {
            IReadOnlyList<TPart> row = ReadRow();
            parts += row.Count;
            bytes += row.Sum(_scorer.SizeOf);
        }
        _predictions = LengthOrder.Predict(_scorer, _rows);
        return _rows.Count > 0;
    }

    private IReadOnlyList<TPart> ReadRow()
    {
        if (!_source.MoveNext())
        {
            _ended = true;
            return [];
        }
        int slot = _rows.Count;
        foreach (ColumnBuffer buffer in _buffers.Values)
            buffer.Fill(slot);
        ColumnBuffer.Grow(ref _ids, slot);
        ColumnBuffer.Grow(ref _batches, slot);
        _readId(ref _ids[slot]);
        _batches[slot] = _source.Batch;
        _rows.Add(_read());
        return _rows[slot];
    }

    private int Slot() => _position >= 0
        ? _current
        : throw new InvalidOperationException("The cursor stands on no row: MoveNext was not called, or said there is none.");
}
