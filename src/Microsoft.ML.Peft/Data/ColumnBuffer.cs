using Microsoft.ML.Data;

namespace Microsoft.ML.Peft.Data;

/// <summary>The values of one column over the rows that a cursor has read ahead.</summary>
internal abstract class ColumnBuffer
{
    /// <summary>Keeps the current row's value.</summary>
    public abstract void Fill(int slot);

    /// <summary>A <c>ValueGetter</c> over whatever slot is current.</summary>
    public abstract Delegate CreateGetter(Func<int> current);

    public static ColumnBuffer Create(DataViewRow row, DataViewSchema.Column column) => column.Type is VectorDataViewType vector
        ? Generic.Invoke<ColumnBuffer>(CreateVectors<int>, vector.ItemType.RawType, row, column)
        : Generic.Invoke<ColumnBuffer>(CreateScalars<int>, column.Type.RawType, row, column);

    /// <summary>Makes room for a slot behind the others: a batch may be far larger than the rows that there are.</summary>
    public static void Grow<T>(ref T[] values, int slot)
    {
        if (slot == values.Length)
            Array.Resize(ref values, Math.Max(32, 2 * slot));
    }

    private static ColumnBuffer CreateScalars<T>(DataViewRow row, DataViewSchema.Column column) =>
        new Scalars<T>(row.GetGetter<T>(column));

    private static ColumnBuffer CreateVectors<T>(DataViewRow row, DataViewSchema.Column column) =>
        new Vectors<T>(row.GetGetter<VBuffer<T>>(column));

    private sealed class Scalars<T>(ValueGetter<T> getter) : ColumnBuffer
    {
        private T[] _values = [];

        public override void Fill(int slot)
        {
            // Image getters dispose what they overwrite, and whoever read this slot may still hold the picture: each row
            // starts empty, and pictures are left to their finalizers.
            T value = default!;
            getter(ref value);
            Grow(ref _values, slot);
            _values[slot] = value;
        }

        public override Delegate CreateGetter(Func<int> current) => (ValueGetter<T>)((ref T value) => value = _values[current()]);
    }

    private sealed class Vectors<T>(ValueGetter<VBuffer<T>> getter) : ColumnBuffer
    {
        private VBuffer<T>[] _values = [];

        public override void Fill(int slot)
        {
            Grow(ref _values, slot);
            getter(ref _values[slot]);
        }

        // Copied: a reader may write into its own buffer.
        public override Delegate CreateGetter(Func<int> current) =>
            (ValueGetter<VBuffer<T>>)((ref VBuffer<T> value) => _values[current()].CopyTo(ref value));
    }
}
