using System.Text.Json;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Tests.Tokenization;

/// <summary>Every folder of the shared tokenizer cases, against what the reference made of the same texts.</summary>
[TestClass]
[TestCategory("Parity")]
public sealed class ParityTests
{
    private const string Missing = "(none)";

    private static readonly string Root = Path.Combine(Shared.ParityRoot, "tokenizers");

    public static IEnumerable<object[]> Cases =>
        Shared.Folders(Root).Select(folder => Path.GetFileName(folder)).DefaultIfEmpty(Missing).Select(name => new object[] { name });

    public static string CaseName(System.Reflection.MethodInfo method, object[] data) => $"{method.Name} {data[0]}";

    [TestMethod]
    [DynamicData(nameof(Cases), DynamicDataDisplayName = nameof(CaseName))]
    public void Rows(string name)
    {
        (TextTokenizer tokenizer, JsonElement json) = Open(name);
        foreach (JsonElement row in json.GetProperty("rows").EnumerateArray())
        {
            Check(tokenizer, row);
        }
    }

    [TestMethod]
    [DynamicData(nameof(Cases), DynamicDataDisplayName = nameof(CaseName))]
    public void Truncated(string name)
    {
        (TextTokenizer tokenizer, JsonElement json) = Open(name);
        if (json.TryGetProperty("truncated16", out JsonElement expected))
        {
            Microsoft.ML.Peft.Tokenization.Encoding actual = tokenizer.Encode(json.GetProperty("truncated16_text").GetString()!, maxLength: 16);
            Shared.AreEqual(Shared.Ids(expected), actual.Ids, name);
            Assert.IsTrue(actual.Truncated);
        }
    }

    [TestMethod]
    [DynamicData(nameof(Cases), DynamicDataDisplayName = nameof(CaseName))]
    public void Pair(string name)
    {
        (TextTokenizer tokenizer, JsonElement json) = Open(name);
        if (json.TryGetProperty("pair", out JsonElement expected))
        {
            JsonElement texts = json.GetProperty("pair_text");
            Microsoft.ML.Peft.Tokenization.Encoding actual = tokenizer.Encode(texts[0].GetString()!, texts[1].GetString());
            Shared.AreEqual(Shared.Ids(expected.GetProperty("input_ids")), actual.Ids, name);
            if (expected.TryGetProperty("token_type_ids", out JsonElement types))
            {
                Shared.AreEqual(Shared.Ids(types), [.. actual.TypeIds.Select(type => (int)type)], name);
            }
        }
    }

    private static (TextTokenizer Tokenizer, JsonElement Json) Open(string name) =>
        (Shared.Load(Root, name), Shared.Json(Root, name, "cases.json"));

    private static void Check(TextTokenizer tokenizer, JsonElement row)
    {
        string text = row.GetProperty("text").GetString()!;
        int[] ids = Shared.Ids(row.GetProperty("ids"));
        // SentencePiece's own rows have no special tokens: their ids are the plain ones.
        bool framed = row.TryGetProperty("plain", out JsonElement plainIds);
        int[] plain = framed ? Shared.Ids(plainIds) : ids;
        Microsoft.ML.Peft.Tokenization.Encoding encoded = tokenizer.Encode(text, addSpecialTokens: framed);
        Shared.AreEqual(ids, encoded.Ids, text);
        Shared.AreEqual(plain, tokenizer.Encode(text, addSpecialTokens: false).Ids, text);
        Assert.AreEqual(row.GetProperty("decoded").GetString(), tokenizer.Decode(ids), text);
        if (row.TryGetProperty("mask", out JsonElement mask))
        {
            Assert.AreEqual(mask.GetArrayLength(), encoded.Length, text);
        }
        if (row.TryGetProperty("pieces", out JsonElement pieces))
        {
            CheckPieces(tokenizer, encoded.Ids, pieces);
        }
    }

    private static void CheckPieces(TextTokenizer tokenizer, int[] ids, JsonElement pieces)
    {
        Assert.AreEqual(pieces.GetArrayLength(), ids.Length);
        for (int i = 0; i < ids.Length; i++)
        {
            // An unknown piece is given as the text that it stands for.
            if (ids[i] != tokenizer.UnkId)
            {
                Assert.AreEqual(pieces[i].GetString(), tokenizer.TokenOf(ids[i]));
            }
        }
    }
}
