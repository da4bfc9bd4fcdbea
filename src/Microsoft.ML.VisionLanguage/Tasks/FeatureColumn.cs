using Microsoft.ML.Data;
using Microsoft.ML.Peft.Tasks;

namespace Microsoft.ML.VisionLanguage.Tasks;

/// <summary>A vector of Single a row, all of one length.</summary>
internal sealed class FeatureColumn(string name) : TaskColumn(name, "Feature")
{
    protected override string Expected => "a vector of Single";

    /// <summary>The vectors' length.</summary>
    /// <exception cref="ArgumentException">The column's vectors have no known length.</exception>
    public int WidthIn(DataViewSchema schema)
    {
        DataViewType type = Find(schema).Type;
        return type is VectorDataViewType { Size: > 0 and var size } ? size : throw Wrong("hold vectors of a known length", type);
    }

    public Func<float[]> Read(DataViewRow row)
    {
        var getter = row.GetGetter<VBuffer<float>>(Find(row.Schema));
        VBuffer<float> value = default;
        return () =>
        {
            getter(ref value);
            float[] values = [.. value.DenseValues()];
            return Array.TrueForAll(values, float.IsFinite) ? values : throw new InvalidOperationException(
                $"Row {row.Position}: feature column '{Name}' has a value that is NaN or infinite.");
        };
    }

    protected override bool Fits(SchemaShape.Column column) => column.Kind != SchemaShape.Column.VectorKind.Scalar && column.ItemType == NumberDataViewType.Single;
}
