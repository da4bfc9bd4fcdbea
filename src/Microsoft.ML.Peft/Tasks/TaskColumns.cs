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

    /// <param name="schema">The columns.</param>
    /// <param name="where">Whose columns they are, for errors, such as " of the validation set".</param>
    /// <exception cref="ArgumentException">The column is missing or holds something else.</exception>
    public void Check(SchemaShape schema, string where = "")
    {
        SchemaShape.Column column = schema.Where(c => c.Name == Name).Select(c => (SchemaShape.Column?)c).FirstOrDefault()
            ?? throw Missing(schema.Select(c => c.Name), where);
        if (!Fits(column))
            throw new ArgumentException($"{role} column '{Name}'{where} must be {Expected}, but is {column.Kind} of {(column.IsKey ? "keys over " : "")}{column.ItemType}.");
    }

    protected abstract bool Fits(SchemaShape.Column column);

    /// <exception cref="ArgumentException">The column is missing.</exception>
    protected DataViewSchema.Column Find(DataViewSchema schema) => schema.GetColumnOrNull(Name) ?? throw Missing(schema.Select(c => c.Name));

    protected ArgumentException Wrong(string expected, DataViewType found) => new($"{role} column '{Name}' must {expected}, but is {found}.");

    private ArgumentException Missing(IEnumerable<string> there, string where = "") =>
        new($"{role} column '{Name}'{where} is missing; the data has {string.Join(", ", there)}.");
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

/// <summary>One whole number a row.</summary>
internal sealed class NumberColumn(string name, string role) : TaskColumn(name, role)
{
    protected override string Expected => "Int32";

    public Func<int> Read(DataViewRow row)
    {
        DataViewSchema.Column column = Find(row.Schema);
        if (column.Type != NumberDataViewType.Int32)
            throw Wrong("be Int32", column.Type);
        var getter = row.GetGetter<int>(column);
        int value = 0;
        return () =>
        {
            getter(ref value);
            return value;
        };
    }

    protected override bool Fits(SchemaShape.Column column) =>
        column.ItemType == NumberDataViewType.Int32 && column.Kind == SchemaShape.Column.VectorKind.Scalar;
}

/// <summary>Texts: a vector of them, or one that stands for several.</summary>
/// <param name="name">Its name in the data.</param>
/// <param name="role">What it is to the task, for errors.</param>
/// <param name="several">What one text stands for; by default itself.</param>
internal class TextsColumn(string name, string role, Func<string, string[]>? several = null) : TaskColumn(name, role)
{
    private readonly TextColumn _text = new(name, role);

    protected override string Expected => "text";

    public Func<string[]> Read(DataViewRow row)
    {
        DataViewSchema.Column column = Find(row.Schema);
        if (column.Type is not VectorDataViewType { ItemType: TextDataViewType })
        {
            Func<string> text = _text.Read(row);
            return () => several?.Invoke(text()) ?? [text()];
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

/// <summary>Words: a vector of text, or one text that is split at white space.</summary>
internal sealed class WordsColumn(string name, string role)
    : TextsColumn(name, role, text => text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

/// <summary>Labels as keys, which a reader gives as indices among the training data's, matched by value, and as -1 where one is missing.</summary>
internal abstract class LabelColumn(string name) : TaskColumn(name, "Label")
{
    protected override bool Fits(SchemaShape.Column column) => column.IsKey && column.ItemType == NumberDataViewType.UInt32;

    /// <summary>The values behind the keys.</summary>
    public virtual LabelSet Values(DataViewSchema schema) => LabelSet.Of(Find(schema));

    /// <summary>Where each of the column's labels stands among known ones.</summary>
    /// <param name="schema">The columns.</param>
    /// <param name="known">The labels of the training data.</param>
    /// <param name="where">Whose columns they are, for errors.</param>
    /// <exception cref="ArgumentException">The column has labels that are not known; the message names them.</exception>
    public int[] PlacesIn(LabelSet known, DataViewSchema schema, string where = "")
    {
        LabelSet own = Values(schema);
        int[] places = own.PlacesIn(known);
        string[] unknown = [.. own.Names.Where((_, i) => places[i] < 0)];
        return unknown.Length == 0 ? places : throw new ArgumentException(
            $"Label column '{Name}'{where} has {(own.HasValues ? LabelSet.List(unknown) : own)}, which the training data does not know: it has {known}. Labels are matched by their values.");
    }

    protected DataViewSchema.Column FindKeys(DataViewSchema schema)
    {
        DataViewSchema.Column column = Find(schema);
        return LabelSet.KeyTypeOf(column)?.RawType == typeof(uint)
            ? column
            : throw Wrong("hold 32-bit keys (MapValueToKey makes them)", column.Type);
    }

    // A key is 1 for the first value, and 0 where it is missing.
    protected int PlaceOf(uint key, int[] places, DataViewRow row) => key == 0 ? -1 : key <= places.Length ? places[key - 1] : throw new InvalidOperationException(
        $"Row {row.Position}: label column '{Name}' has the key {key}, but its type has {places.Length} keys.");
}

/// <summary>One label a row.</summary>
internal sealed class KeyColumn(string name) : LabelColumn(name)
{
    protected override string Expected => "a 32-bit key (MapValueToKey makes one)";

    public Func<int> Read(DataViewRow row, LabelSet known)
    {
        var getter = row.GetGetter<uint>(FindKeys(row.Schema));
        int[] places = PlacesIn(known, row.Schema);
        uint value = 0;
        return () =>
        {
            getter(ref value);
            return PlaceOf(value, places, row);
        };
    }

    protected override bool Fits(SchemaShape.Column column) => base.Fits(column) && column.Kind == SchemaShape.Column.VectorKind.Scalar;
}

/// <summary>A vector of labels a row.</summary>
internal sealed class KeysColumn(string name) : LabelColumn(name)
{
    protected override string Expected => "a vector of 32-bit keys (MapValueToKey makes one)";

    public Func<int[]> Read(DataViewRow row, LabelSet known)
    {
        var getter = row.GetGetter<VBuffer<uint>>(FindKeys(row.Schema));
        int[] places = PlacesIn(known, row.Schema);
        VBuffer<uint> values = default;
        return () =>
        {
            getter(ref values);
            return [.. values.DenseValues().Select(value => PlaceOf(value, places, row))];
        };
    }

    protected override bool Fits(SchemaShape.Column column) => base.Fits(column) && column.Kind != SchemaShape.Column.VectorKind.Scalar;
}

/// <summary>One label a row that is true or false.</summary>
internal sealed class BooleanColumn(string name) : LabelColumn(name)
{
    protected override string Expected => "Boolean";

    public override LabelSet Values(DataViewSchema schema) => LabelSet.Booleans;

    public Func<int> Read(DataViewRow row)
    {
        var getter = row.GetGetter<bool>(Find(row.Schema));
        bool value = false;
        return () =>
        {
            getter(ref value);
            return value ? 1 : 0;
        };
    }

    protected override bool Fits(SchemaShape.Column column) =>
        column.ItemType == BooleanDataViewType.Instance && column.Kind == SchemaShape.Column.VectorKind.Scalar;
}
