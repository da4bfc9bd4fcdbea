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
    IEnumerable<float[]> values = column.Type is VectorDataViewType ? scored.GetColumn<float[]>(column) : scored.GetColumn<float>(column).Select(value => new[] { value });
    foreach (float[] row in values)
        Console.WriteLine($"{column.Name} {string.Join(' ', row.Select(value => value.ToString("R", CultureInfo.InvariantCulture)))}");
}

internal sealed record PictureFile(string Image, string Text);
