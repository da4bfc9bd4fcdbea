using System.Text.Json;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Tests.Tokenization;

/// <summary>The tokenizers of the shared models, against the ids that their expected results hold.</summary>
[TestClass]
[TestCategory("Parity")]
public sealed class ModelFolderTests
{
    private const string Missing = "(none)";

    public static IEnumerable<object[]> Models =>
        Shared.Folders(Shared.ModelsRoot, "tokenizer.json").Select(folder => Path.GetFileName(folder)).DefaultIfEmpty(Missing)
            .Select(name => new object[] { name });

    [TestMethod]
    [DynamicData(nameof(Models))]
    public void ExpectedIds(string name)
    {
        TextTokenizer tokenizer = Shared.Load(Shared.ModelsRoot, name);
        int compared = 0;
        foreach (string file in Directory.GetFiles(Path.Combine(Shared.ModelsRoot, name), "expected-*.json"))
        {
            compared += Compare(tokenizer, file);
        }
        Console.WriteLine($"{name}: {compared} texts compared, vocabulary {tokenizer.VocabularySize}");
        Assert.IsTrue(compared > 0);
    }

    [TestMethod]
    [DynamicData(nameof(Models))]
    public void TheModelsOtherFilesSayTheSame(string name)
    {
        TextTokenizer tokenizer = Shared.Load(Shared.ModelsRoot, name);
        string folder = Path.Combine(Shared.ModelsRoot, name);
        using TemporaryFolder other = new();
        string[] older = ["vocab.txt", "tokenizer.model", "tokenizer_config.json"];
        foreach (string file in older.Where(file => File.Exists(Path.Combine(folder, file))))
        {
            File.Copy(Path.Combine(folder, file), Path.Combine(other.Path, file));
        }
        if (Directory.GetFiles(other.Path).Length < 2)
        {
            return;
        }
        TextTokenizer second = TextTokenizer.Load(other.Path);
        foreach (string text in new[] { "Once upon a time, there was a naïve café.", "", "  two  spaces ", "你好 🎉 x1" })
        {
            Shared.AreEqual(tokenizer.Encode(text).Ids, second.Encode(text).Ids, text);
            Assert.AreEqual(tokenizer.Decode(tokenizer.Encode(text).Ids), second.Decode(second.Encode(text).Ids));
        }
    }

    private static int Compare(TextTokenizer tokenizer, string file)
    {
        if (!Shared.Json(file).TryGetProperty("items", out JsonElement items) || items.ValueKind != JsonValueKind.Array)
        {
            return 0;
        }
        int compared = 0;
        int maxLength = MaxLength(Path.GetDirectoryName(file)!);
        foreach (JsonElement item in items.EnumerateArray())
        {
            string key = item.TryGetProperty("prompt", out _) ? "prompt" : "text";
            if (item.TryGetProperty(key, out JsonElement text) && text.ValueKind == JsonValueKind.String && item.TryGetProperty("ids", out JsonElement ids))
            {
                Shared.AreEqual(Shared.Ids(ids), tokenizer.Encode(text.GetString()!, maxLength: maxLength).Ids, $"{file}: {text}");
                compared++;
            }
        }
        return compared;
    }

    /// <summary>Sentence encoders cut their texts at a length of their own.</summary>
    private static int MaxLength(string folder) => File.Exists(Path.Combine(folder, "sentence_bert_config.json"))
        ? Shared.Json(folder, "sentence_bert_config.json").GetProperty("max_seq_length").GetInt32()
        : int.MaxValue;
}
