using Microsoft.ML.Data;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Transforms.Image;
using Microsoft.ML.VisionLanguage.Images;

namespace Microsoft.ML.VisionLanguage.Tasks;

/// <summary>One picture a row: the bytes of a file, the path of one, or an image of ML.NET's.</summary>
internal sealed class PictureColumn(string name) : TaskColumn(name, "Image")
{
    protected override string Expected => "a picture: bytes, the path of a file, or an MLImage";

    /// <summary>A reader of encoded pictures.</summary>
    public Func<byte[]> Read(DataViewRow row)
    {
        DataViewSchema.Column column = Find(row.Schema);
        Func<byte[]> read = column.Type switch
        {
            TextDataViewType => FromPath(row.GetGetter<ReadOnlyMemory<char>>(column)),
            ImageDataViewType => FromImage(row.GetGetter<MLImage>(column)),
            VectorDataViewType { ItemType: NumberDataViewType item } when item == NumberDataViewType.Byte => FromBytes(row.GetGetter<VBuffer<byte>>(column)),
            _ => throw Wrong("be " + Expected, column.Type),
        };
        return () => read() is { Length: > 0 } bytes ? bytes : throw new InvalidOperationException($"Row {row.Position}: image column '{Name}' has no picture.");
    }

    protected override bool Fits(SchemaShape.Column column) => column.Kind == SchemaShape.Column.VectorKind.Scalar
        ? column.ItemType is TextDataViewType or ImageDataViewType
        : column.ItemType == NumberDataViewType.Byte;

    private static Func<byte[]> FromBytes(ValueGetter<VBuffer<byte>> getter)
    {
        VBuffer<byte> value = default;
        return () =>
        {
            getter(ref value);
            return [.. value.DenseValues()];
        };
    }

    private static Func<byte[]> FromPath(ValueGetter<ReadOnlyMemory<char>> getter)
    {
        ReadOnlyMemory<char> value = default;
        return () =>
        {
            getter(ref value);
            return value.IsEmpty ? [] : File.ReadAllBytes(value.ToString());
        };
    }

    private static Func<byte[]> FromImage(ValueGetter<MLImage> getter)
    {
        MLImage? value = null;
        return () =>
        {
            getter(ref value!);
            return value is null ? [] : Picture.Of(value).Encode();
        };
    }
}
