using Microsoft.ML.Data;

namespace Microsoft.ML.Peft.Hosting;

/// <summary>Columns of a <see cref="SchemaShape"/>, whose constructor ML.NET keeps to itself.</summary>
internal static class SchemaShapes
{
    /// <summary>The shape of data that is there.</summary>
    public static SchemaShape Of(DataViewSchema schema) => SchemaShape.Create(schema);

    /// <summary>The columns of a pipeline's step, those added hiding others of their name.</summary>
    public static SchemaShape Append(SchemaShape schema, IEnumerable<SchemaShape.Column> added)
    {
        var columns = schema.ToDictionary(column => column.Name);
        foreach (SchemaShape.Column column in added)
            columns[column.Name] = column;
        return new SchemaShape(columns.Values);
    }

    /// <summary>A column without annotations.</summary>
    public static SchemaShape.Column Column(string name, SchemaShape.Column.VectorKind kind, DataViewType itemType, bool isKey = false) =>
        new(name, kind, itemType, isKey);

    /// <summary>A predicted key, over the values of the label's key.</summary>
    public static SchemaShape.Column PredictedKey(
        string name, SchemaShape schema, string labelColumnName,
        SchemaShape.Column.VectorKind kind = SchemaShape.Column.VectorKind.Scalar) =>
        new(name, kind, NumberDataViewType.UInt32, isKey: true, new SchemaShape([KeyValues("KeyValues", schema, labelColumnName), .. ScoreKinds()]));

    /// <summary>A vector of class scores, its slots named by the label's values.</summary>
    public static SchemaShape.Column Scores(string name, SchemaShape schema, string labelColumnName) =>
        new(name, SchemaShape.Column.VectorKind.Vector, NumberDataViewType.Single, isKey: false, new SchemaShape(
        [
            Column("SlotNames", SchemaShape.Column.VectorKind.Vector, TextDataViewType.Instance),
            KeyValues("TrainingLabelValues", schema, labelColumnName),
            .. ScoreKinds(),
        ]));

    /// <summary>A vector of keys over the values of the label's key.</summary>
    public static SchemaShape.Column Keys(string name, SchemaShape schema, string labelColumnName) => new(
        name, SchemaShape.Column.VectorKind.Vector, NumberDataViewType.UInt32, isKey: true, new SchemaShape([KeyValues("KeyValues", schema, labelColumnName)]));

    private static SchemaShape.Column KeyValues(string kind, SchemaShape schema, string labelColumnName)
    {
        DataViewType type = schema.TryFindColumn(labelColumnName, out SchemaShape.Column label)
            && label.Annotations.TryFindColumn("KeyValues", out SchemaShape.Column values)
                ? values.ItemType
                : TextDataViewType.Instance;
        return Column(kind, SchemaShape.Column.VectorKind.Vector, type);
    }

    private static SchemaShape.Column[] ScoreKinds() =>
    [
        Column("ScoreColumnKind", SchemaShape.Column.VectorKind.Scalar, TextDataViewType.Instance),
        Column("ScoreValueKind", SchemaShape.Column.VectorKind.Scalar, TextDataViewType.Instance),
    ];
}
