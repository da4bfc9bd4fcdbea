using Microsoft.ML.Data;

namespace Microsoft.ML.Peft.Data;

/// <summary>A column that scoring adds.</summary>
internal abstract class OutputColumn(string name, DataViewType type, DataViewSchema.Annotations? annotations)
{
    public string Name { get; } = name;

    public DataViewType Type { get; } = type;

    public DataViewSchema.Annotations? Annotations { get; } = annotations;

    /// <summary>A <c>ValueGetter</c> over whatever prediction is current.</summary>
    public abstract Delegate CreateGetter(Func<object> current);
}

/// <summary>An output column of one .NET type.</summary>
internal sealed class OutputColumn<T>(
    string name, DataViewType type, DataViewSchema.Annotations? annotations, OutputColumn<T>.Writer write)
    : OutputColumn(name, type, annotations)
{
    public delegate void Writer(object prediction, ref T value);

    public override Delegate CreateGetter(Func<object> current) => (ValueGetter<T>)((ref T value) => write(current(), ref value));
}
