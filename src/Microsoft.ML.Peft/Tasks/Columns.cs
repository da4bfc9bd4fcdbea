using Microsoft.ML.Data;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>Columns as tasks read them, with errors that name them.</summary>
internal static class Columns
{
    /// <exception cref="ArgumentException">The column is missing.</exception>
    public static DataViewSchema.Column Find(DataViewSchema schema, string name, string role) => schema.GetColumnOrNull(name)
        ?? throw new ArgumentException($"{role} column '{name}' is missing; the data has {string.Join(", ", schema.Select(c => c.Name))}.");

    /// <exception cref="ArgumentException">The column is missing.</exception>
    public static SchemaShape.Column Find(SchemaShape schema, string name, string role) =>
        schema.Where(c => c.Name == name).Select(c => (SchemaShape.Column?)c).FirstOrDefault()
            ?? throw new ArgumentException($"{role} column '{name}' is missing; the data has {string.Join(", ", schema.Select(c => c.Name))}.");

    /// <exception cref="ArgumentException">The column is missing or holds no text.</exception>
    public static void CheckText(SchemaShape schema, string name, string role, bool orVector = false)
    {
        SchemaShape.Column column = Find(schema, name, role);
        bool scalar = column.Kind == SchemaShape.Column.VectorKind.Scalar;
        if (column.ItemType != TextDataViewType.Instance || !(scalar || orVector))
            throw new ArgumentException($"{role} column '{name}' must be text, but is {Describe(column)}.");
    }

    /// <exception cref="ArgumentException">The column is missing or holds no keys.</exception>
    public static void CheckKey(SchemaShape schema, string name, bool vector)
    {
        SchemaShape.Column column = Find(schema, name, "Label");
        bool scalar = column.Kind == SchemaShape.Column.VectorKind.Scalar;
        if (!column.IsKey || scalar == vector)
        {
            throw new ArgumentException(
                $"Label column '{name}' must be a {(vector ? "vector of keys" : "key")} (MapValueToKey makes one), but is {Describe(column)}.");
        }
    }

    /// <summary>Reads a text column.</summary>
    public static Func<string> Text(DataViewRow row, string name, string role)
    {
        DataViewSchema.Column column = Find(row.Schema, name, role);
        if (column.Type != TextDataViewType.Instance)
            throw new ArgumentException($"{role} column '{name}' must be text, but is {column.Type}.");
        var getter = row.GetGetter<ReadOnlyMemory<char>>(column);
        ReadOnlyMemory<char> value = default;
        return () =>
        {
            getter(ref value);
            return value.ToString();
        };
    }

    /// <summary>Reads words: a vector of text, or text split at white space.</summary>
    public static Func<string[]> Words(DataViewRow row, string name)
    {
        DataViewSchema.Column column = Find(row.Schema, name, "Text");
        if (column.Type is VectorDataViewType { ItemType: TextDataViewType })
        {
            var getter = row.GetGetter<VBuffer<ReadOnlyMemory<char>>>(column);
            VBuffer<ReadOnlyMemory<char>> words = default;
            return () =>
            {
                getter(ref words);
                return [.. words.DenseValues().Select(w => w.ToString())];
            };
        }
        Func<string> text = Text(row, name, "Text");
        return () => text().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>Reads a key as an index from 0; -1 where it is missing.</summary>
    public static Func<int> Key(DataViewRow row, string name)
    {
        DataViewSchema.Column column = KeyColumn(row, name);
        var getter = row.GetGetter<uint>(column);
        uint value = 0;
        return () =>
        {
            getter(ref value);
            return (int)value - 1;
        };
    }

    /// <summary>Reads a vector of keys as indices from 0; -1 where one is missing.</summary>
    public static Func<int[]> Keys(DataViewRow row, string name)
    {
        var getter = row.GetGetter<VBuffer<uint>>(KeyColumn(row, name));
        VBuffer<uint> values = default;
        return () =>
        {
            getter(ref values);
            return [.. values.DenseValues().Select(v => (int)v - 1)];
        };
    }

    /// <summary>The type of a vector's items, or the type itself.</summary>
    public static DataViewType ItemType(DataViewType type) => type is VectorDataViewType vector ? vector.ItemType : type;

    private static DataViewSchema.Column KeyColumn(DataViewRow row, string name)
    {
        DataViewSchema.Column column = Find(row.Schema, name, "Label");
        return ItemType(column.Type) is KeyDataViewType { RawType: var raw } && raw == typeof(uint)
            ? column
            : throw new ArgumentException($"Label column '{name}' must hold 32-bit keys (MapValueToKey makes them), but is {column.Type}.");
    }

    private static string Describe(SchemaShape.Column column) => $"{column.Kind} of {(column.IsKey ? "keys over " : "")}{column.ItemType}";
}
