using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Transforms.Image;
using Microsoft.ML.VisionLanguage.Images;
using Microsoft.ML.VisionLanguage.Inputs;

namespace Microsoft.ML.VisionLanguage.Tasks;

/// <summary>One picture a row: the bytes of a file, the path of one, or an image of ML.NET's.</summary>
internal sealed class PictureColumn(string name) : TaskColumn(name, "Image")
{
    /// <summary>Reads the current row's picture, and tells the file where it comes from one.</summary>
    private delegate (string? File, Func<PictureReader, string, byte[]> Load) Getter();

    protected override string Expected => "a picture: bytes, the path of a file, or an MLImage";

    /// <summary>A reader that adds the row's picture to an example.</summary>
    /// <param name="row">The row.</param>
    /// <param name="processor">What reads pictures, as the options say.</param>
    /// <param name="withLabels">Whether the rows are for training.</param>
    /// <returns>Gives null for a row that is left out of training since its picture cannot be read, which the options must allow.</returns>
    public Func<Example, Example?> Read(DataViewRow row, InputProcessor processor, bool withLabels)
    {
        var pictures = (PictureProcessor)processor;
        DataViewSchema.Column column = Find(row.Schema);
        Getter getter = column.Type switch
        {
            TextDataViewType => FromPath(row.GetGetter<ReadOnlyMemory<char>>(column)),
            ImageDataViewType => FromImage(row.GetGetter<MLImage>(column), pictures.DropsAlpha),
            VectorDataViewType { ItemType: NumberDataViewType item } when item == NumberDataViewType.Byte => FromBytes(row.GetGetter<VBuffer<byte>>(column)),
            _ => throw Wrong("be " + Expected, column.Type),
        };
        return example =>
        {
            var (file, load) = getter();
            string source = $"Row {row.Position}, image column '{Name}'{(file is null ? "" : $", file '{file}'")}";
            return pictures.Add(example, source, reader => load(reader, source), withLabels);
        };
    }

    protected override bool Fits(SchemaShape.Column column) => column.Kind == SchemaShape.Column.VectorKind.Scalar
        ? column.ItemType is TextDataViewType or ImageDataViewType
        : column.ItemType == NumberDataViewType.Byte;

    private static Getter FromBytes(ValueGetter<VBuffer<byte>> getter)
    {
        VBuffer<byte> value = default;
        return () =>
        {
            getter(ref value);
            byte[] bytes = [.. value.DenseValues()];
            return (null, (_, _) => bytes);
        };
    }

    private static Getter FromPath(ValueGetter<ReadOnlyMemory<char>> getter)
    {
        ReadOnlyMemory<char> value = default;
        return () =>
        {
            getter(ref value);
            string path = value.ToString();
            return (path, (reader, source) => reader.Load(path, source));
        };
    }

    private static Getter FromImage(ValueGetter<MLImage> getter, bool dropAlpha)
    {
        // Image getters dispose what they overwrite: one image is alive at a time.
        MLImage? value = null;
        return () =>
        {
            getter(ref value!);
            byte[] bytes = value is null ? [] : RawPicture.Encode(value, dropAlpha);
            return (null, (_, _) => bytes);
        };
    }
}
