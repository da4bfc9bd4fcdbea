using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Tasks;

/// <summary>Texts with a class each and words with a tag each, whose keys stand in whatever order a test asks for.</summary>
internal static class LabelledRows
{
    /// <summary>The same rows for the same classes; the order of the classes is that of the keys alone.</summary>
    public static IDataView Data(MLContext context, params string[] classes)
    {
        string[] sorted = [.. classes.Order(StringComparer.Ordinal)];
        IDataView rows = context.Data.LoadFromEnumerable(Enumerable.Range(0, 24).Select(i => Of(sorted[i % classes.Length], i)));
        IDataView Keys(IEnumerable<string> values) => context.Data.LoadFromEnumerable(values.Select(value => new Key { Value = value }));
        return context.Transforms.Conversion.MapValueToKey("Label", keyData: Keys(classes))
            .Append(context.Transforms.Conversion.MapValueToKey("Tags", keyData: Keys(["O", .. classes.Select(c => $"B-{c}")])))
            .Fit(rows).Transform(rows);
    }

    public static PeftTask Task(bool words) => words ? PeftTask.TokenClassification("Words", "Tags") : PeftTask.TextClassification();

    /// <summary>The scores of each row, or word, in the order of the labels' names.</summary>
    public static object[] Scores(PeftTransformer model, IDataView data)
    {
        string[] names = [.. model.Scorer.Task.Labels.Names];
        int[] order = [.. Enumerable.Range(0, names.Length).OrderBy(i => names[i], StringComparer.Ordinal)];
        return [.. Table.Read(model.Transform(data), "Score").SelectMany(row => ((object[])row).Chunk(names.Length)).SelectMany(scores => order.Select(i => scores[i]))];
    }

    public static void AreSame(object[] expected, PeftTransformer model, IDataView data, string what) => Table.AreClose(expected, Scores(model, data), 1e-4, what);

    public static PeftTransformer Saved(MLContext context, PeftTransformer model)
    {
        using var file = new MemoryStream();
        context.Model.Save(model, null, file);
        file.Position = 0;
        return (PeftTransformer)context.Model.Load(file, out _);
    }

    private static Row Of(string kind, int i)
    {
        string[] words = ["the", i % 2 == 0 ? "good" : "bad", kind];
        return new Row { Text = string.Join(' ', words), Label = kind, Words = words, Tags = ["O", "O", $"B-{kind}"], Adapter = i % 2 == 0 ? "first" : "" };
    }

    private sealed class Key
    {
        public string Value { get; set; } = "";
    }

    private sealed class Row
    {
        public string Text { get; set; } = "";

        public string Label { get; set; } = "";

        public string[] Words { get; set; } = [];

        public string[] Tags { get; set; } = [];

        public string Adapter { get; set; } = "";
    }
}
