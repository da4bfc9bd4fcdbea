using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Tasks;

namespace Microsoft.ML.Peft.Estimators;

/// <summary>A row, or a part of one, and the name of the adapter that answers it.</summary>
internal sealed record RoutedExample(Example Example, string Adapter, long Position);

/// <summary>Scores rows under the adapters that a column names: one forward pass a batch.</summary>
internal sealed class RoutedScorer<TPrediction>(Scorer<TPrediction> scorer, TextColumn column) : IBatchScorer<RoutedExample, TPrediction>
{
    public IReadOnlyList<string> InputColumns(DataViewSchema schema) => [.. scorer.InputColumns(schema).Append(column.Name).Distinct()];

    public IReadOnlyList<OutputColumn<TPrediction>> Outputs => scorer.Outputs;

    public int BatchSize => scorer.BatchSize;

    public Func<IReadOnlyList<RoutedExample>> CreateReader(DataViewRow row)
    {
        Func<IReadOnlyList<Example>> examples = scorer.CreateReader(row);
        Func<string> adapter = column.Read(row);
        return () =>
        {
            string name = adapter();
            return [.. examples().Select(example => Checked(new RoutedExample(example, name, row.Position)))];
        };
    }

    public int LengthOf(RoutedExample part) => part.Example.Length;

    public long SizeOf(RoutedExample part) => part.Example.Size;

    public ColumnBuffer? CreateBuffer(DataViewRow row, DataViewSchema.Column column) => scorer.CreateBuffer(row, column);

    public TPrediction Join(IReadOnlyList<TPrediction> parts) => scorer.Join(parts);

    public IDisposable Hold() => scorer.Hold();

    public void Ended() => scorer.Ended();

    public Pending<IReadOnlyList<TPrediction>> Begin(IReadOnlyList<RoutedExample> parts)
    {
        // Those of one adapter side by side: their part of the work needs no copies.
        int[] order = [.. Enumerable.Range(0, parts.Count).OrderBy(i => parts[i].Adapter, StringComparer.Ordinal)];
        return scorer.Begin([.. order.Select(i => parts[i].Example)], () => [.. order.Select(i => Choice(Checked(parts[i]).Adapter))]).Then(sorted =>
        {
            var predictions = new TPrediction[parts.Count];
            for (int i = 0; i < order.Length; i++)
                predictions[order[i]] = sorted[i];
            return (IReadOnlyList<TPrediction>)predictions;
        });
    }

    private static AdapterChoice Choice(string name) => name.Length == 0 ? AdapterChoice.Active : AdapterChoice.Named(name);

    // When it is read, where the row is known; and again before it is scored, as adapters come and go.
    private RoutedExample Checked(RoutedExample part) => part.Adapter.Length == 0 || scorer.Host.Has(part.Adapter) ? part : throw new InvalidOperationException(
        $"Row {part.Position}: column '{column.Name}' names the adapter '{part.Adapter}', which there is not; "
        + $"known are {string.Join(", ", scorer.Host.All.Select(adapter => adapter.Name))}.");
}
