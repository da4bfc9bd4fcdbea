namespace Microsoft.ML.Peft.Data;

/// <summary>The columns of a layout that a cursor or a row was asked for.</summary>
internal sealed class ColumnSelection
{
    private readonly bool[] _active;

    public ColumnSelection(ColumnLayout layout, IEnumerable<DataViewSchema.Column> columns)
    {
        Layout = layout;
        _active = new bool[layout.Schema.Count];
        foreach (DataViewSchema.Column column in columns)
            _active[column.Index] = true;
        NeedsScores = layout.Schema.Any(c => _active[c.Index] && layout.IsAdded(c, out _));
    }

    public ColumnLayout Layout { get; }

    /// <summary>Whether an added column is asked for; without one no model runs.</summary>
    public bool NeedsScores { get; }

    public bool IsActive(DataViewSchema.Column column) => column.Index < _active.Length && _active[column.Index];

    /// <summary>Input columns handed through.</summary>
    public IEnumerable<DataViewSchema.Column> PassedThrough => Layout.Schema
        .Where(IsActive)
        .Select(c => Layout.IsAdded(c, out int index) ? -1 : index)
        .Where(index => index >= 0)
        .Select(index => Layout.Input[index]);

    /// <summary>Input columns to read: those handed through, and what scoring reads when it is needed.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The input lacks a column that scoring reads.</exception>
    public IReadOnlyList<DataViewSchema.Column> Dependencies(IReadOnlyList<string> scored)
    {
        var columns = PassedThrough.ToDictionary(c => c.Index);
        if (NeedsScores)
        {
            foreach (string name in scored)
                columns.TryAdd(Layout.Input[name].Index, Layout.Input[name]);
        }
        return [.. columns.Values.OrderBy(c => c.Index)];
    }

    /// <exception cref="ArgumentException">The column was not asked for.</exception>
    public void Check(DataViewSchema.Column column)
    {
        if (!IsActive(column))
            throw new ArgumentException($"Column '{column.Name}' is not active in this cursor or row.", nameof(column));
    }

    /// <exception cref="InvalidOperationException">The column holds another type.</exception>
    public static ValueGetter<T> Typed<T>(Delegate getter, DataViewSchema.Column column) => getter as ValueGetter<T>
        ?? throw new InvalidOperationException($"Column '{column.Name}' is {column.Type} and cannot be read as {typeof(T)}.");
}
