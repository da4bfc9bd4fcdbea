using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.VisionLanguage.Tasks;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Probes;

/// <summary>Reads vectors with their labels from columns, whatever made the vectors.</summary>
/// <param name="host">The context.</param>
/// <param name="featureColumnName">Vectors of Single.</param>
/// <param name="labelColumnName">Keys.</param>
/// <param name="cancellation">Ends the reading, besides the context's own cancellation.</param>
/// <param name="leavesOutMissing">Whether rows whose vector is NaN are left out, since whoever made it has said why.</param>
internal sealed class FeatureRows(PeftHost host, string featureColumnName, string labelColumnName, CancellationToken cancellation, bool leavesOutMissing = false)
{
    private readonly FeatureColumn _features = new(featureColumnName);
    private readonly KeyColumn _label = new(labelColumnName);

    /// <summary>The values behind a label's keys.</summary>
    /// <exception cref="ArgumentException">The column is missing or holds no keys.</exception>
    public LabelSet LabelsOf(IDataView data) => _label.Values(data.Schema);

    /// <param name="data">The rows; those without a label are left out, with a warning.</param>
    /// <param name="known">The labels by whose place classes are named.</param>
    /// <param name="what">What the rows are, for messages.</param>
    /// <exception cref="ArgumentException">A column is missing or holds something else, or labels that are not known.</exception>
    /// <exception cref="InvalidOperationException">There is no row with a label, or one with a value that is no number.</exception>
    public LabelledFeatures Read(IDataView data, LabelSet known, string what)
    {
        SchemaShape shape = SchemaShapes.Of(data.Schema);
        string where = $" of the {what} data";
        _features.Check(shape, where);
        _label.Check(shape, where);
        int width = _features.WidthIn(data.Schema);
        var values = new List<float[]>();
        var labels = new List<int>();
        long skipped = 0;
        using DataViewRowCursor cursor = data.GetRowCursor([data.Schema[featureColumnName], data.Schema[labelColumnName]]);
        Func<float[]> vector = _features.Read(cursor);
        Func<int> label = _label.Read(cursor, known);
        while (cursor.MoveNext())
        {
            ThrowIfCanceled();
            if (label() is >= 0 and var index)
            {
                float[] features = vector();
                if (leavesOutMissing && float.IsNaN(features[0]))
                    continue;
                values.Add(features);
                labels.Add(index);
            }
            else
            {
                skipped++;
            }
        }
        if (labels.Count == 0)
            throw new InvalidOperationException($"The {what} data has no row with a label in column '{labelColumnName}'.");
        if (skipped > 0)
            host.Warning($"{skipped} rows of the {what} data have no value in column '{labelColumnName}' and are skipped.");
        using Tensor all = tensor(values.SelectMany(row => row).ToArray(), [values.Count, width], ScalarType.Float32, CPU);
        return new LabelledFeatures(all, [.. labels], known.Count);
    }

    /// <exception cref="InvalidOperationException">There is no choice to learn.</exception>
    public void CheckVariety(LabelledFeatures rows)
    {
        int seen = rows.Counts().Count();
        if (seen < 2)
            throw new InvalidOperationException($"The training data has fewer than two different labels in column '{labelColumnName}'.");
        if (seen < rows.Classes)
            host.Warning($"{rows.Classes} classes, {seen} seen: no row of the training data has one of the others in column '{labelColumnName}'. Nothing is learnt of them.");
    }

    private void ThrowIfCanceled()
    {
        cancellation.ThrowIfCancellationRequested();
        if (host.IsCanceled)
            throw new OperationCanceledException("The context's execution was cancelled.");
    }
}
