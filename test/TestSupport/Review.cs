namespace Microsoft.ML.Peft.TestSupport;

/// <summary>Rows about films and books, of different length, in words that <see cref="TinyBert"/> knows.</summary>
public sealed class Review
{
    private static readonly string[] s_openings = ["good film", "awful book", "the film not bad and very fine", "a very poor book"];

    public string Text { get; set; } = "";

    public string Label { get; set; } = "";

    public float Number { get; set; }

    public float[] Numbers { get; set; } = [];

    /// <summary>Rows of two classes.</summary>
    public static IReadOnlyList<Review> Make(int count) => [.. Enumerable.Range(0, count).Select(i => new Review
    {
        Text = s_openings[i % 4] + string.Concat(Enumerable.Repeat(" and great", i % 5)),
        Label = i % 2 == 0 ? "positive" : "negative",
        Number = i,
        Numbers = [.. Enumerable.Range(0, i % 4).Select(n => (float)n)],
    })];

    /// <summary>The rows as data, the label mapped to a key.</summary>
    public static IDataView Load(MLContext context, int count = 41)
    {
        IDataView rows = context.Data.LoadFromEnumerable(Make(count));
        return context.Transforms.Conversion.MapValueToKey("Label").Fit(rows).Transform(rows);
    }
}
