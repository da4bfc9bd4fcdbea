using System.Globalization;
using Microsoft.ML.Data;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>A data view's values in memory, for comparisons.</summary>
public static class Table
{
    /// <summary>All values of a column, in row order: numbers as doubles, vectors as arrays of them, anything else as text.</summary>
    public static IReadOnlyList<object> Read(IDataView data, string column)
    {
        var values = new List<object>();
        using DataViewRowCursor cursor = data.GetRowCursor([data.Schema[column]]);
        Func<object> read = Reader(cursor, data.Schema[column]);
        while (cursor.MoveNext())
            values.Add(read());
        return values;
    }

    /// <summary>A reader of one column of whatever row is current.</summary>
    public static Func<object> Reader(DataViewRow row, DataViewSchema.Column column) => column.Type is VectorDataViewType vector
        ? Generic.Invoke<Func<object>>(Vector<int>, vector.ItemType.RawType, row, column)
        : Generic.Invoke<Func<object>>(Scalar<int>, column.Type.RawType, row, column);

    /// <summary>Equal, numbers within a tolerance.</summary>
    public static void AreClose(IReadOnlyList<object> expected, IReadOnlyList<object> actual, double tolerance, string what)
    {
        Assert.HasCount(expected.Count, actual, what);
        for (int row = 0; row < expected.Count; row++)
            AreClose(expected[row], actual[row], tolerance, $"{what}, row {row}");
    }

    private static void AreClose(object expected, object actual, double tolerance, string what)
    {
        if (expected is object[] left && actual is object[] right)
            AreClose((IReadOnlyList<object>)left, right, tolerance, what);
        else if (expected is double x && actual is double y)
            Assert.AreEqual(x, y, tolerance, what);
        else
            Assert.AreEqual(expected, actual, what);
    }

    private static Func<object> Scalar<T>(DataViewRow row, DataViewSchema.Column column)
    {
        ValueGetter<T> getter = row.GetGetter<T>(column);
        return () =>
        {
            T value = default!;
            getter(ref value);
            return Plain(value);
        };
    }

    private static Func<object> Vector<T>(DataViewRow row, DataViewSchema.Column column)
    {
        ValueGetter<VBuffer<T>> getter = row.GetGetter<VBuffer<T>>(column);
        return () =>
        {
            VBuffer<T> value = default;
            getter(ref value);
            return value.DenseValues().Select(item => Plain(item)).ToArray();
        };
    }

    private static object Plain<T>(T value) => value switch
    {
        float or double or byte or sbyte or short or ushort or int or uint or long or ulong => Convert.ToDouble(value, CultureInfo.InvariantCulture),
        _ => value?.ToString() ?? "",
    };
}
