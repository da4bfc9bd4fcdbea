using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>Output columns that hold a vector a row.</summary>
internal static class VectorOutput
{
    /// <param name="name">The column's name.</param>
    /// <param name="type">Its type, with the size where that is known.</param>
    /// <param name="read">The values in a row's prediction.</param>
    /// <param name="annotations">The column's annotations; null for none.</param>
    public static OutputColumn Of<TPrediction, T>(
        string name, VectorDataViewType type, Func<TPrediction, T[]> read, DataViewSchema.Annotations? annotations = null) =>
        new OutputColumn<VBuffer<T>>(name, type, annotations, (object prediction, ref VBuffer<T> value) =>
        {
            T[] values = read((TPrediction)prediction);
            var editor = VBufferEditor.Create(ref value, values.Length);
            values.CopyTo(editor.Values);
            value = editor.Commit();
        });
}
