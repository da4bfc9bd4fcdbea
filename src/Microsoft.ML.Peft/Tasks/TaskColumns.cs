using Microsoft.ML.Data;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>A column that a task reads, with errors that name it.</summary>
/// <param name="name">Its name in the data.</param>
/// <param name="role">What it is to the task, for errors.</param>
internal abstract class TaskColumn(string name, string role)
{
    public string Name { get; } = name;

    /// <summary>What the column must hold, for errors.</summary>
    protected abstract string Expected { get; }

    /// <exception cref="ArgumentException">The column is missing or holds something else.</exception>
    public void Check(SchemaShape schema)
    {
        SchemaShape.Column column = schema.Where(c => c.Name == Name).Select(c => (SchemaShape.Column?)c).FirstOrDefault()
            ?? throw Missing(schema.Select(c => c.Name));
        if (!Fits(column))
            throw new ArgumentException($"{role} column '{Name}' must be {Expected}, but is {column.Kind} of {(column.IsKey ? "keys over " : "")}{column.ItemType}.");
    }

    protected abstract bool Fits(SchemaShape.Column column);

    /// <exception cref="ArgumentException">The column is missing.</exception>
    protected DataViewSchema.Column Find(DataViewSchema schema) => schema.GetColumnOrNull(Name) ?? throw Missing(schema.Select(c => c.Name));

    protected ArgumentException Wrong(string expected, DataViewType found) => new($"{role} column '{Name}' must {expected}, but is {found}.");

    private ArgumentException Missing(IEnumerable<string> there) =>
        new($"{role} column '{Name}' is missing; the data has {string.Join(", ", there)}.");
}

/// <summary>One text a row.</summary>
internal sealed class TextColumn(string name, string role) : TaskColumn(name, role)
{
    protected override string Expected => "text";

    public Func<string> Read(DataViewRow row)
    {
        DataViewSchema.Column column = Find(row.Schema);
        if (column.Type != TextDataViewType.Instance)
            throw Wrong("be text", column.Type);
        var getter = row.GetGetter<ReadOnlyMemory<char>>(column);
        ReadOnlyMemory<char> value = default;
        return () =>
        {
            getter(ref value);
            return value.ToString();
        };
    }

    protected override bool Fits(SchemaShape.Column column) =>
        column.ItemType == TextDataViewType.Instance && column.Kind == SchemaShape.Column.VectorKind.Scalar;
}

/// <summary>Words: a vector of text, or one text that is split at white space.</summary>
internal sealed class WordsColumn(string name, string role) : TaskColumn(name, role)
{
    private readonly TextColumn _text = new(name, role);

    protected override string Expected => "text";

    public Func<string[]> Read(DataViewRow row)
    {
        DataViewSchema.Column column = Find(row.Schema);
        if (column.Type is not VectorDataViewType { ItemType: TextDataViewType })
        {
            Func<string> text = _text.Read(row);
            return () => text().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        }
        var getter = row.GetGetter<VBuffer<ReadOnlyMemory<char>>>(column);
        VBuffer<ReadOnlyMemory<char>> words = default;
        return () =>
        {
            getter(ref words);
            return [.. words.DenseValues().Select(w => w.ToString())];
        };
    }

    protected override bool Fits(SchemaShape.Column column) => column.ItemType == TextDataViewType.Instance;
}

/// <summary>Labels as keys, which a reader gives as indices from 0 and as -1 where one is missing.</summary>
internal abstract class LabelColumn(string name) : TaskColumn(name, "Label")
{
    /// <summary>The values behind the keys.</summary>
    public LabelSet Values(DataViewSchema schema) => LabelSet.Of(Find(schema));

    protected DataViewSchema.Column FindKeys(DataViewSchema schema)
    {
        DataViewSchema.Column column = Find(schema);
        return LabelSet.KeyTypeOf(column)?.RawType == typeof(uint)
            ? column
            : throw Wrong("hold 32-bit keys (MapValueToKey makes them)", column.Type);
    }
}

/// <summary>One label a row.</summary>
internal sealed class KeyColumn(string name) : LabelColumn(name)
{
    protected override string Expected => "a key (MapValueToKey makes one)";

    public Func<int> Read(DataViewRow row)
    {
        var getter = row.GetGetter<uint>(FindKeys(row.Schema));
        uint value = 0;
        return () =>
        {
            getter(ref value);
            return (int)value - 1;
        };
    }

    protected override bool Fits(SchemaShape.Column column) => column.IsKey && column.Kind == SchemaShape.Column.VectorKind.Scalar;
}

/// <summary>A vector of labels a row.</summary>
internal sealed class KeysColumn(string name) : LabelColumn(name)
{
    protected override string Expected => "a vector of keys (MapValueToKey makes one)";

    public Func<int[]> Read(DataViewRow row)
    {
        var getter = row.GetGetter<VBuffer<uint>>(FindKeys(row.Schema));
        VBuffer<uint> values = default;
        return () =>
        {
            getter(ref values);
            return [.. values.DenseValues().Select(v => (int)v - 1)];
        };
    }

    protected override bool Fits(SchemaShape.Column column) => column.IsKey && column.Kind != SchemaShape.Column.VectorKind.Scalar;
}
