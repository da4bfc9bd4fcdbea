using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Tests.Tokenization;

/// <summary>Encoding words one by one, for the cache, must give what encoding the whole text gives.</summary>
[TestClass]
public sealed class WordBreakTests
{
    // A token that no text here yields, but that has a mark behind another character, so that texts are encoded whole.
    private const string Barrier = "q▁q";

    [TestMethod]
    public void Bpe()
    {
        using TemporaryFolder folder = new();
        Compare(folder, barrier => $$$"""
            {"normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
             "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": true,
                       "vocab": {"<unk>": 0, "▁": 1, "a": 2, "b": 3, "▁a": 4, "ab": 5, "▁▁": 6, "aba": 7, "▁ab": 8, "bb": 9, "{{{barrier}}}": 10},
                       "merges": ["▁ a", "b b", "a b", "▁ ▁", "ab a", "▁ ab"]}}
            """);
    }

    [TestMethod]
    public void Unigram()
    {
        using TemporaryFolder folder = new();
        Compare(folder, barrier => $$$"""
            {"normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
             "model": {"type": "Unigram", "unk_id": 0,
                       "vocab": [["<unk>", 0], ["▁", -2.1], ["a", -3.3], ["b", -3.7], ["▁a", -4.9], ["ab", -5.2], ["▁▁", -3.1], ["bab", -6.4],
                                 ["{{{barrier}}}", -7.3]]}}
            """);
    }

    private static void Compare(TemporaryFolder folder, Func<string, string> json)
    {
        TextTokenizer byWord = folder.Load(json("c"));
        TextTokenizer whole = folder.Load(json(Barrier));
        Random random = new(2);
        for (int i = 0; i < 3000; i++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(12)).Select(_ => "ab  x"[random.Next(5)]));
            Shared.AreEqual(whole.Encode(text).Ids, byWord.Encode(text).Ids, text);
        }
    }
}
