using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;

// Loads a model that another process saved and prints what it says of each picture in a folder, whose name is its text.
// Nothing is called before Load: the archive alone says what it needs.
var context = new MLContext();
ITransformer model = context.Model.Load(args[0], out _);
IDataView rows = context.Data.LoadFromEnumerable(Directory.GetFiles(args[1]).Order(StringComparer.Ordinal)
    .Select(file => new PictureFile(file, Path.GetFileNameWithoutExtension(file))));
IDataView scored = model.Transform(rows);
foreach (DataViewSchema.Column column in scored.Schema.Skip(rows.Schema.Count))
{
    foreach (string row in Read(column))
        Console.WriteLine($"{column.Name} {row}");
}

IEnumerable<string> Read(DataViewSchema.Column column) => column.Type switch
{
    VectorDataViewType { ItemType: TextDataViewType } => scored.GetColumn<string[]>(column).Select(row => string.Join(' ', row)),
    VectorDataViewType { ItemType: KeyDataViewType } => scored.GetColumn<uint[]>(column).Select(row => string.Join(' ', row)),
    VectorDataViewType => scored.GetColumn<float[]>(column).Select(row => string.Join(' ', row.Select(Exact))),
    KeyDataViewType => scored.GetColumn<uint>(column).Select(key => $"{key}"),
    _ => scored.GetColumn<float>(column).Select(Exact),
};

static string Exact(float value) => value.ToString("R", CultureInfo.InvariantCulture);

internal sealed record PictureFile(string Image, string Text);
