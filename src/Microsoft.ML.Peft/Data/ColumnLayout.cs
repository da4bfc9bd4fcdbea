namespace Microsoft.ML.Peft.Data;

/// <summary>
/// The columns after a transformer: those of the input, each followed by the added column that hides it, then the other
/// added ones, which is the order that ML.NET's own transformers give.
/// </summary>
internal sealed class ColumnLayout
{
    // An index in the input, or the complement of an index among the added columns.
    private readonly List<int> _origins = [];

    public ColumnLayout(DataViewSchema input, IReadOnlyList<OutputColumn> added)
    {
        (Input, Added) = (input, added);
        var hidden = Enumerable.Range(0, added.Count).Where(i => input.GetColumnOrNull(added[i].Name) is not null).ToDictionary(i => added[i].Name);
        var builder = new DataViewSchema.Builder();
        foreach (DataViewSchema.Column column in input)
        {
            AddInput(builder, column);
            if (!column.IsHidden && hidden.TryGetValue(column.Name, out int index))
                AddOutput(builder, index);
        }
        foreach (int index in Enumerable.Range(0, added.Count).Except(hidden.Values))
            AddOutput(builder, index);
        Schema = builder.ToSchema();
    }

    public DataViewSchema Input { get; }

    public IReadOnlyList<OutputColumn> Added { get; }

    public DataViewSchema Schema { get; }

    /// <summary>Whether a column of <see cref="Schema"/> is added; its index there or in the input.</summary>
    public bool IsAdded(DataViewSchema.Column column, out int index)
    {
        int origin = _origins[column.Index];
        index = origin < 0 ? ~origin : origin;
        return origin < 0;
    }

    private void AddInput(DataViewSchema.Builder builder, DataViewSchema.Column column)
    {
        builder.AddColumn(column.Name, column.Type, column.Annotations);
        _origins.Add(column.Index);
    }

    private void AddOutput(DataViewSchema.Builder builder, int index)
    {
        OutputColumn column = Added[index];
        builder.AddColumn(column.Name, column.Type, column.Annotations);
        _origins.Add(~index);
    }
}
