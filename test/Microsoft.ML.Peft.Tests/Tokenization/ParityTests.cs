using System.Text.Json.Nodes;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tests.Parity;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Tests.Tokenization;

/// <summary>Every folder of the shared tokenizer cases, against what the reference made of the same texts.</summary>
[TestClass]
[TestCategory("Parity")]
public sealed class ParityTests
{
    /// <summary>The runner's name in the lists of families.</summary>
    internal const string Runner = "tokenizer";

    private const string Expectations =
        @"^\$\.(rows\[\d+\]\.(ids|mask|plain|decoded|pieces)|truncated16|pair\.(input_ids|token_type_ids|attention_mask))$";

    public static IEnumerable<object[]> Cases => CaseNames.Rows(CaseNames.OfTokenizers);

    public static string CaseName(System.Reflection.MethodInfo method, object[] data) => (string)data[0];

    [TestMethod]
    [DynamicData(nameof(Cases), DynamicDataDisplayName = nameof(CaseName))]
    public void Case(string name)
    {
        SharedData.RequireFolder(SharedData.Parity);
        Assert.AreEqual(Runner, Families.Committed.RunnerOf(name));
        TextTokenizer tokenizer = TextTokenizer.Load(Path.Combine(SharedData.Parity, name));
        Run(name, expected => Check(tokenizer, expected));
    }

    [TestMethod]
    [DynamicData(nameof(Cases), DynamicDataDisplayName = nameof(CaseName))]
    public void FailsWhereNothingIsCompared(string name)
    {
        SharedData.RequireFolder(SharedData.Parity);
        Assert.AreEqual(Runner, Families.Committed.RunnerOf(name));
        Assert.Contains("$.rows[0].ids", Assert.ThrowsExactly<AssertFailedException>(() => Run(name, _ => { })).Message);
    }

    private static void Run(string name, Action<ExpectedJson> test) =>
        ExpectedJson.Run(name, Path.Combine(SharedData.Parity, name, "cases.json"), Expectations, test);

    private static void Check(TextTokenizer tokenizer, ExpectedJson expected)
    {
        foreach (JsonNode? row in expected.Root["rows"]!.AsArray())
            CheckRow(tokenizer, expected, row!.AsObject());
        if (expected.Root["truncated16"] is { } truncated)
        {
            Microsoft.ML.Peft.Tokenization.Encoding actual = tokenizer.Encode((string)expected.Root["truncated16_text"]!, maxLength: 16);
            expected.Same(truncated, actual.Ids, "truncated");
            Assert.IsTrue(actual.Truncated);
        }
        if (expected.Root["pair"] is { } pair)
            CheckPair(tokenizer, expected, pair.AsObject());
    }

    private static void CheckRow(TextTokenizer tokenizer, ExpectedJson expected, JsonObject row)
    {
        string text = (string)row["text"]!;
        JsonNode ids = row["ids"]!;
        // SentencePiece's own rows have no special tokens: their ids are the plain ones.
        bool framed = row.ContainsKey("plain");
        int[] plain = tokenizer.Encode(text, addSpecialTokens: false).Ids;
        Microsoft.ML.Peft.Tokenization.Encoding encoded = tokenizer.Encode(text, addSpecialTokens: framed);
        expected.Same(ids, encoded.Ids, text);
        expected.Same(framed ? row["plain"]! : ids, plain, text);
        expected.Same(row["decoded"]!, tokenizer.Decode(encoded.Ids), text);
        if (row["mask"] is { } mask)
            expected.Same(mask, Enumerable.Repeat(1, encoded.Length), text);
        if (row["pieces"] is { } pieces)
            expected.Same(pieces, Pieces(tokenizer, encoded.Ids, pieces.AsArray()), text);
    }

    private static void CheckPair(TextTokenizer tokenizer, ExpectedJson expected, JsonObject pair)
    {
        JsonNode texts = expected.Root["pair_text"]!;
        Microsoft.ML.Peft.Tokenization.Encoding actual = tokenizer.Encode((string)texts[0]!, (string)texts[1]!);
        expected.Same(pair["input_ids"]!, actual.Ids, "pair");
        if (pair["token_type_ids"] is { } types)
            expected.Same(types, actual.TypeIds.Select(type => (int)type), "types of a pair");
        if (pair["attention_mask"] is { } mask)
            expected.Same(mask, Enumerable.Repeat(1, actual.Length), "mask of a pair");
    }

    // An unknown piece is given as the text that it stands for.
    private static JsonArray Pieces(TextTokenizer tokenizer, int[] ids, JsonArray expected) =>
        [.. ids.Select((id, i) => id == tokenizer.UnkId && i < expected.Count ? expected[i]!.DeepClone() : tokenizer.TokenOf(id))];
}
