namespace Microsoft.ML.Peft.TestSupport;

/// <summary>A folder with a GLM of a few thousand weights to be pretrained, and a tokenizer made of the texts that it learns.</summary>
public sealed class UntrainedGlm : IDisposable
{
    /// <param name="change">Changes the sizes.</param>
    public UntrainedGlm(Action<GlmShape>? change = null)
    {
        var shape = new GlmShape { HiddenSize = 32, Layers = 2, Heads = 2, MaxLength = 32, Dropout = 0 };
        change?.Invoke(shape);
        GlmFolder.Create(Folder, shape, Texts(), vocabularySize: 300);
    }

    public string Folder { get; } = Path.Combine(Path.GetTempPath(), $"untrained-glm-{Guid.NewGuid():N}");

    /// <summary>Sentences that follow a rule: who, what and where say each other.</summary>
    public static IEnumerable<string> Texts(int count = 64)
    {
        string[] who = ["The cat", "The dog", "The bird", "The fish"], what = ["sleeps on", "runs over", "sings in", "swims through"], where = ["the mat", "the field", "the tree", "the lake"];
        for (int i = 0; i < count; i++)
            yield return $"{who[i % 4]} {what[i % 4]} {where[i % 4]}. {who[(i + 1) % 4]} {what[(i + 1) % 4]} {where[(i + 1) % 4]}.";
    }

    public static IDataView Load(MLContext context, int count = 64) => context.Data.LoadFromEnumerable(Texts(count).Select(text => new Row { Text = text }));

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    public sealed class Row
    {
        public string Text { get; set; } = "";
    }
}
