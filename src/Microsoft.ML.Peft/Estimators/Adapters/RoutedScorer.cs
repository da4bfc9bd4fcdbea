using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Tasks;

namespace Microsoft.ML.Peft.Estimators;

/// <summary>A row and the name of the adapter that answers it.</summary>
internal sealed record RoutedRow(Example Example, string Adapter, long Position);

/// <summary>Scores rows under the adapters that a column names: one forward pass a batch.</summary>
internal sealed class RoutedScorer(Scorer scorer, TextColumn column) : IBatchScorer<RoutedRow>
{
    public IReadOnlyList<string> InputColumns => [.. scorer.InputColumns.Append(column.Name).Distinct()];

    public IReadOnlyList<OutputColumn> Outputs => scorer.Outputs;

    public int BatchSize => scorer.BatchSize;

    public Func<RoutedRow> CreateReader(DataViewRow row)
    {
        Func<Example> example = scorer.CreateReader(row);
        Func<string> adapter = column.Read(row);
        return () => Checked(new RoutedRow(example(), adapter(), row.Position));
    }

    public int LengthOf(RoutedRow row) => row.Example.Length;

    public IDisposable Hold() => scorer.Hold();

    public IReadOnlyList<object> Predict(IReadOnlyList<RoutedRow> rows)
    {
        // Those of one adapter side by side: their part of the work needs no copies.
        int[] order = [.. Enumerable.Range(0, rows.Count).OrderBy(i => rows[i].Adapter, StringComparer.Ordinal)];
        IReadOnlyList<object> sorted = scorer.Predict([.. order.Select(i => rows[i].Example)], [.. order.Select(i => Choice(Checked(rows[i]).Adapter))]);
        var predictions = new object[rows.Count];
        for (int i = 0; i < order.Length; i++)
            predictions[order[i]] = sorted[i];
        return predictions;
    }

    private static AdapterChoice Choice(string name) => name.Length == 0 ? AdapterChoice.Active : AdapterChoice.Named(name);

    // When it is read, where the row is known; and again before it is scored, as adapters come and go.
    private RoutedRow Checked(RoutedRow row) => row.Adapter.Length == 0 || scorer.Host.Has(row.Adapter) ? row : throw new InvalidOperationException(
        $"Row {row.Position}: column '{column.Name}' names the adapter '{row.Adapter}', which there is not; "
        + $"known are {string.Join(", ", scorer.Host.All.Select(adapter => adapter.Name))}.");
}
