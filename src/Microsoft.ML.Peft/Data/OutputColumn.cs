using Microsoft.ML.Data;

namespace Microsoft.ML.Peft.Data;

/// <summary>A column that scoring adds.</summary>
internal abstract class OutputColumn(string name, DataViewType type, DataViewSchema.Annotations? annotations)
{
    public string Name { get; } = name;

    public DataViewType Type { get; } = type;

    public DataViewSchema.Annotations? Annotations { get; } = annotations;
}

/// <summary>A column made of predictions of one type.</summary>
internal abstract class OutputColumn<TPrediction>(string name, DataViewType type, DataViewSchema.Annotations? annotations)
    : OutputColumn(name, type, annotations)
{
    private delegate void Writer<T>(TPrediction prediction, ref T value);

    /// <param name="name">The column's name.</param>
    /// <param name="type">Its type.</param>
    /// <param name="read">The value in a row's prediction.</param>
    /// <param name="annotations">The column's annotations; null for none.</param>
    public static OutputColumn<TPrediction> Of<T>(
        string name, PrimitiveDataViewType type, Func<TPrediction, T> read, DataViewSchema.Annotations? annotations = null) =>
        new Written<T>(name, type, annotations, (TPrediction prediction, ref T value) => value = read(prediction));

    /// <summary>A vector a row.</summary>
    /// <param name="name">The column's name.</param>
    /// <param name="type">Its type, with the size where that is known.</param>
    /// <param name="read">The values in a row's prediction.</param>
    /// <param name="annotations">The column's annotations; null for none.</param>
    public static OutputColumn<TPrediction> Vector<T>(
        string name, VectorDataViewType type, Func<TPrediction, T[]> read, DataViewSchema.Annotations? annotations = null) =>
        new Written<VBuffer<T>>(name, type, annotations, (TPrediction prediction, ref VBuffer<T> value) =>
        {
            T[] values = read(prediction);
            var editor = VBufferEditor.Create(ref value, values.Length);
            values.CopyTo(editor.Values);
            value = editor.Commit();
        });

    /// <summary>A <c>ValueGetter</c> over whatever prediction is current.</summary>
    public abstract Delegate CreateGetter(Func<TPrediction> current);

    private sealed class Written<T>(string name, DataViewType type, DataViewSchema.Annotations? annotations, Writer<T> write)
        : OutputColumn<TPrediction>(name, type, annotations)
    {
        public override Delegate CreateGetter(Func<TPrediction> current) => (ValueGetter<T>)((ref T value) => write(current(), ref value));
    }
}
