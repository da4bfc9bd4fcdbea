using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Tasks;

namespace Microsoft.ML.VisionLanguage.Tasks;

/// <summary>Pictures with their classes; a row without a class gives nothing.</summary>
/// <param name="image">The column of pictures.</param>
/// <param name="label">The column of labels, keys or text.</param>
/// <param name="labels">The classes.</param>
/// <param name="processor">What reads pictures; those that it is allowed to leave out give nothing.</param>
internal sealed class LabelledPictures(PictureColumn image, string label, LabelSet labels, InputProcessor processor)
{
    public IReadOnlyList<string> Columns => [image.Name, label];

    public Func<IReadOnlyList<Example>> CreateReader(DataViewRow row)
    {
        Func<Example, Example?> picture = image.Read(row, processor, withLabels: true);
        Func<int> place = row.Schema[label].Type is KeyDataViewType ? new KeyColumn(label).Read(row, labels) : PlaceOfText(row);
        return () => place() is >= 0 and var found && picture(new Example { Label = found }) is { } example ? [example] : [];
    }

    private Func<int> PlaceOfText(DataViewRow row)
    {
        Func<string> text = new TextColumn(label, "Label").Read(row);
        var places = labels.Names.Select((name, place) => (name, place)).ToDictionary(named => named.name, named => named.place, StringComparer.Ordinal);
        return () => places.GetValueOrDefault(text(), -1);
    }
}
