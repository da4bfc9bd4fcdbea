using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Tasks;

namespace Microsoft.ML.VisionLanguage.Tasks;

/// <summary>A column of ids: text or numbers.</summary>
/// <param name="name">Its name.</param>
internal sealed class IdColumn(string name) : TaskColumn(name, "Id")
{
    protected override string Expected => "text or a number";

    /// <summary>The column in data.</summary>
    /// <exception cref="ArgumentException">It is missing.</exception>
    public DataViewSchema.Column In(DataViewSchema schema) => Find(schema);

    /// <summary>The ids' type, of a column that was checked.</summary>
    public DataViewType TypeIn(SchemaShape schema) => schema.Single(column => column.Name == Name).ItemType;

    /// <summary>A reader of the ids as text in the invariant culture.</summary>
    /// <exception cref="ArgumentException">The column is missing or holds something else.</exception>
    public Func<string> Read(DataViewRow row)
    {
        DataViewSchema.Column column = Find(row.Schema);
        return IsId(column.Type) ? Generic.Invoke<Func<string>>(Read<int>, column.Type.RawType, row, column) : throw Wrong("be " + Expected, column.Type);
    }

    /// <summary>The same of a column of vectors of ids.</summary>
    /// <exception cref="ArgumentException">The column is missing or holds something else.</exception>
    public Func<string[]> ReadMany(DataViewRow row)
    {
        DataViewSchema.Column column = Find(row.Schema);
        return column.Type is VectorDataViewType vector && IsId(vector.ItemType)
            ? Generic.Invoke<Func<string[]>>(ReadMany<int>, vector.ItemType.RawType, row, column)
            : throw Wrong("be vectors of text or numbers", column.Type);
    }

    /// <summary>Ids as values of the column's type, none of them twice.</summary>
    /// <exception cref="ArgumentException">There is none, one is missing, or one is there twice.</exception>
    public LabelSet Different(DataViewSchema schema, IReadOnlyList<string> ids)
    {
        if (ids.Count == 0)
            throw new ArgumentException("The gallery has no row.");
        var seen = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int row = 0; row < ids.Count; row++)
        {
            if (ids[row].Length == 0)
                throw new ArgumentException($"Row {row}: id column '{Name}' has no value.");
            if (!seen.TryAdd(ids[row], row))
                throw new ArgumentException($"Id column '{Name}' has '{ids[row]}' in row {seen[ids[row]]} and in row {row}: each row of the gallery needs its own.");
        }
        return LabelSet.Of((PrimitiveDataViewType)schema[Name].Type, ids);
    }

    protected override bool Fits(SchemaShape.Column column) => column.Kind == SchemaShape.Column.VectorKind.Scalar && !column.IsKey && IsId(column.ItemType);

    private static bool IsId(DataViewType type) => type is TextDataViewType or NumberDataViewType;

    private static Func<string> Read<T>(DataViewRow row, DataViewSchema.Column column)
    {
        ValueGetter<T> getter = row.GetGetter<T>(column);
        T value = default!;
        return () =>
        {
            getter(ref value);
            return LabelSet.NameOf(value);
        };
    }

    private static Func<string[]> ReadMany<T>(DataViewRow row, DataViewSchema.Column column)
    {
        ValueGetter<VBuffer<T>> getter = row.GetGetter<VBuffer<T>>(column);
        VBuffer<T> values = default;
        return () =>
        {
            getter(ref values);
            return [.. values.DenseValues().Select(value => LabelSet.NameOf(value))];
        };
    }
}
