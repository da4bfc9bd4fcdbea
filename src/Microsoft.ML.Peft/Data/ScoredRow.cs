using Microsoft.ML.Data;

namespace Microsoft.ML.Peft.Data;

/// <summary>A row over another one, scored when first asked at a position.</summary>
internal sealed class ScoredRow<TPart, TPrediction> : DataViewRow
{
    private readonly ColumnSelection _selection;
    private readonly DataViewRow _source;
    private readonly IBatchScorer<TPart, TPrediction> _scorer;
    private readonly Func<IReadOnlyList<TPart>>? _read;
    private readonly IDisposable _hold;
    private TPrediction _prediction = default!;
    private long? _predictedAt;

    public ScoredRow(ColumnSelection selection, DataViewRow source, IBatchScorer<TPart, TPrediction> scorer)
    {
        (_selection, _source, _scorer) = (selection, source, scorer);
        _read = selection.NeedsScores ? scorer.CreateReader(source) : null;
        _hold = scorer.Hold();
    }

    public override long Position => _source.Position;

    public override long Batch => _source.Batch;

    public override DataViewSchema Schema => _selection.Layout.Schema;

    public override bool IsColumnActive(DataViewSchema.Column column) => _selection.IsActive(column);

    public override ValueGetter<DataViewRowId> GetIdGetter() => _source.GetIdGetter();

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
    {
        _selection.Check(column);
        return _selection.Layout.IsAdded(column, out int index)
            ? ColumnSelection.Typed<TValue>(_scorer.Outputs[index].CreateGetter(Current), column)
            : _source.GetGetter<TValue>(_source.Schema[index]);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _hold.Dispose();
            _source.Dispose();
        }
        base.Dispose(disposing);
    }

    private TPrediction Current()
    {
        if (_predictedAt != Position)
        {
            _prediction = LengthOrder.Predict(_scorer, [_read!()])[0];
            _scorer.Ended();
            _predictedAt = Position;
        }
        return _prediction;
    }
}
