using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Tasks;

namespace Microsoft.ML.Peft.Estimators;

/// <summary>Reads the rows of a fit, and says what is amiss with them.</summary>
internal sealed class FitRows(PeftHost host, TaskRuntime task, CancellationToken cancellation)
{
    /// <exception cref="InvalidOperationException">There is no row to use.</exception>
    public RowSet Read(IDataView data, string what)
    {
        RowSet rows = RowSet.Read(
            data, task.InputColumns(data.Schema).Concat(task.LabelColumns), row => task.CreateReader(row, withLabels: true), ThrowIfCanceled);
        foreach (string warning in task.Processor.TakeWarnings())
            host.Warning($"The {what} data: {warning}");
        string columns = Names(task.LabelColumns.Count > 0 ? task.LabelColumns : task.InputColumns(data.Schema));
        string cut = $"of which the longest length of {task.MaxLength} tokens leaves nothing to learn ({nameof(ModelOptions.MaxLength)})";
        if (rows.Examples.Count == 0)
        {
            rows.Dispose();
            throw new InvalidOperationException(
                $"The {what} data has no row to use: {rows.Skipped} rows without a value in {columns}{(rows.CutOff > 0 ? $", and {rows.CutOff} {cut}" : "")}.");
        }
        if (rows.Skipped > 0)
            host.Warning($"{rows.Skipped} rows of the {what} data have no value in {columns} and are skipped.");
        if (rows.CutOff > 0)
            host.Warning($"{rows.CutOff} rows of the {what} data, {cut}, are skipped.");
        if (rows.Truncated > 0)
            host.Warning($"{rows.Truncated} of {rows.Examples.Count} rows of the {what} data are longer than {task.MaxLength} tokens and are cut.");
        if (rows.SplitTokens > 0)
        {
            host.Warning(
                $"In {rows.SplitTokens} of {rows.Examples.Count} rows of the {what} data the last characters of the prompt and the first of what follows would be one token if "
                + "they came as one text, as the model has read it so far; here they are two, in training as in use. A blank or a line feed between the two goes best to what follows.");
        }
        return rows;
    }

    /// <exception cref="InvalidOperationException">There is no choice to learn.</exception>
    public void CheckVariety(RowSet rows)
    {
        foreach (var (columns, labels, seen) in task.LabelsIn(rows))
        {
            if (labels.Count > 0 && seen < 2)
                throw new InvalidOperationException($"The training data has fewer than two different labels in {Names(columns)}.");
            if (seen < labels.Count)
            {
                host.Warning(
                    $"{labels.Count} classes, {seen} seen: no row of the training data has one of the others in {Names(columns)}. "
                    + "Nothing is learnt of them, and each takes memory.");
            }
        }
    }

    private void ThrowIfCanceled()
    {
        cancellation.ThrowIfCancellationRequested();
        if (host.IsCanceled)
            throw new OperationCanceledException("The context's execution was cancelled.");
    }

    private static string Names(IReadOnlyList<string> columns) =>
        $"column{(columns.Count == 1 ? "" : "s")} {string.Join(", ", columns.Select(name => $"'{name}'"))}";
}
