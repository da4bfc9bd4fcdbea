using Microsoft.ML.Data;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Tasks;

namespace Microsoft.ML.VisionLanguage;

/// <summary>Where a classifier that is not trained has its labels from: a list, or a column.</summary>
internal sealed class LabelSource
{
    private readonly LabelSet? _given;
    private readonly NamesColumn _column;
    private readonly IDataView? _data;

    /// <param name="labels">The labels; null for those of a column.</param>
    /// <param name="column">The column; null where the labels are given.</param>
    /// <param name="data">The data that has it; null for those that are fitted on.</param>
    /// <exception cref="ArgumentException">Both are given, or none, or the labels are not two or more different ones.</exception>
    public LabelSource(IReadOnlyList<string>? labels, string? column, IDataView? data)
    {
        if (labels is null == column is null)
        {
            throw new ArgumentException(labels is null
                ? "There are no labels: give Labels, or the LabelColumnName of a column that has them." : $"Labels are given, and LabelColumnName ('{column}') as well: one of the two is enough.");
        }
        if (data is not null && column is null)
            throw new ArgumentException("LabelData is given without the LabelColumnName of its column.");
        (_given, _column, _data) = (labels is null ? null : Checked(LabelSet.Text([.. labels]), "Labels"), new NamesColumn(column ?? ""), data);
        if (data is not null)
            _column.Check(SchemaShapes.Of(data.Schema));
    }

    /// <summary>The columns among which the labels' type is found.</summary>
    /// <exception cref="ArgumentException">The label column is missing or holds something else.</exception>
    public SchemaShape Shape(SchemaShape fitted)
    {
        SchemaShape shape = _data is null ? fitted : SchemaShapes.Of(_data.Schema);
        if (_given is null)
            _column.Check(shape);
        return shape;
    }

    /// <exception cref="ArgumentException">The label column is missing or holds something else, or its labels are not two or more different ones.</exception>
    public LabelSet Read(IDataView fitted)
    {
        if (_given is not null)
            return _given;
        IDataView data = _data ?? fitted;
        _column.Check(SchemaShapes.Of(data.Schema));
        return Checked(_column.Read(data), $"Label column '{_column.Name}'");
    }

    private static LabelSet Checked(LabelSet labels, string where)
    {
        if (labels.Count < 2)
            throw new ArgumentException($"{where}: {labels.Count} labels, expected two at least.");
        for (int i = 0; i < labels.Count; i++)
        {
            if (string.IsNullOrWhiteSpace(labels.Names[i]))
                throw new ArgumentException($"{where}: label {i} of {labels.Count} is empty.");
        }
        if (labels.Names.GroupBy(label => label, StringComparer.Ordinal).FirstOrDefault(same => same.Count() > 1)?.Key is { } twice)
            throw new ArgumentException($"{where}: '{twice}' is there more than once.");
        return labels;
    }

    /// <summary>Names of classes: the values of keys, or the different texts of a column.</summary>
    private sealed class NamesColumn(string name) : TaskColumn(name, "Label")
    {
        protected override string Expected => "keys or text";

        public LabelSet Read(IDataView data)
        {
            DataViewSchema.Column column = Find(data.Schema);
            if (column.Type is not KeyDataViewType)
                return LabelSet.Text([.. data.GetColumn<string>(column).Distinct(StringComparer.Ordinal)]);
            var labels = LabelSet.Of(column);
            return labels.HasValues ? labels : throw new ArgumentException($"Label column '{Name}' has keys without values: nothing says what the classes are called.");
        }

        protected override bool Fits(SchemaShape.Column column) =>
            column.Kind == SchemaShape.Column.VectorKind.Scalar && (column.IsKey || column.ItemType == TextDataViewType.Instance);
    }
}
