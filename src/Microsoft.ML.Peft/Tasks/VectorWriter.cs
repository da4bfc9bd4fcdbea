using Microsoft.ML.Data;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>Writes a vector into a reused buffer.</summary>
internal static class VectorWriter
{
    public static void Write<T>(ReadOnlySpan<T> values, ref VBuffer<T> buffer)
    {
        var editor = VBufferEditor.Create(ref buffer, values.Length);
        values.CopyTo(editor.Values);
        buffer = editor.Commit();
    }

    public static void Write<T>(T[] values, ref VBuffer<T> buffer) => Write((ReadOnlySpan<T>)values, ref buffer);
}
