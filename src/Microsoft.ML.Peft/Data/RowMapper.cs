using Microsoft.ML.Data;

namespace Microsoft.ML.Peft.Data;

/// <summary>Scores a row at a time, for <c>PredictionEngine</c>: one forward pass for all of a row's outputs.</summary>
internal sealed class RowMapper<TPart, TPrediction>(DataViewSchema input, IBatchScorer<TPart, TPrediction> scorer) : IRowToRowMapper
{
    private readonly ColumnLayout _layout = new(input, scorer.Outputs);

    public DataViewSchema InputSchema => _layout.Input;

    public DataViewSchema OutputSchema => _layout.Schema;

    public IEnumerable<DataViewSchema.Column> GetDependencies(IEnumerable<DataViewSchema.Column> dependingColumns) =>
        new ColumnSelection(_layout, dependingColumns).Dependencies(scorer.InputColumns);

    public DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns) =>
        new ScoredRow<TPart, TPrediction>(new ColumnSelection(_layout, activeColumns), input, scorer);
}
