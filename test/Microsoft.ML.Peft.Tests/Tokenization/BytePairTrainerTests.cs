using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Tests.Tokenization;

/// <summary>Byte pairs learnt of texts, and special tokens that tokenizers of all kinds of files are given.</summary>
[TestClass]
public sealed class BytePairTrainerTests
{
    [TestMethod]
    public void TheCommonestPairGoesFirst()
    {
        // "l o w" is in five words, "n e w" in three: lo, low, then what is left of the rest.
        string[] texts = ["low low low", "lower", "lowest new newer newest"];
        string[] merges = Merges(texts, 262);
        CollectionAssert.AreEqual(new[] { "l o", "lo w" }, merges[..2]);
        CollectionAssert.Contains(merges, "e w");
    }

    [TestMethod]
    public void ItIsTheSameOfTheSameTexts() =>
        CollectionAssert.AreEqual(BytePairTrainer.Train(["to be or not to be", "that is"], 280), BytePairTrainer.Train(["that is", "to be or not to be"], 280));

    [TestMethod]
    public void NoPairThatStandsOnceIsAToken() => Assert.IsEmpty(Merges(["abcdef"], 300));

    [TestMethod]
    [DataRow("Hello, wörld! 你好 \u0001\t  two  spaces 😀")]
    [DataRow("")]
    public void EveryTextComesBack(string text)
    {
        TextTokenizer tokenizer = Processor(["Hello world, hello."], 270).Tokenizer;
        int[] ids = tokenizer.Encode(text, addSpecialTokens: false).Ids;
        Assert.AreEqual(text, tokenizer.Decode(ids));
    }

    [TestMethod]
    public void WhatItLearntIsWhatItUses()
    {
        TextTokenizer tokenizer = Processor(Enumerable.Repeat("the cat sleeps", 4), 400).Tokenizer;
        Assert.HasCount(3, tokenizer.Encode("the cat sleeps", addSpecialTokens: false).Ids);
    }

    [TestMethod]
    public void SpecialTokensAreAddedWhateverTheFiles()
    {
        var folders = new Dictionary<string, Dictionary<string, string>>
        {
            ["words"] = new() { ["vocab.txt"] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\ncat\n" },
            ["pairs"] = new() { ["vocab.json"] = """{"a":0,"b":1,"ab":2,"<|endoftext|>":3}""", ["merges.txt"] = "a b\n" },
        };
        foreach (var (kind, files) in folders)
        {
            TextProcessor own = TextProcessor.Of(files.ToDictionary(file => file.Key, file => System.Text.Encoding.UTF8.GetBytes(file.Value)));
            TextTokenizer grown = own.WithSpecialTokens(BlankTokens.MissingIn(own.Tokenizer)).Tokenizer;
            Assert.IsEmpty(BlankTokens.MissingIn(grown), kind);
            BlankTokens tokens = BlankTokens.Of(grown);
            CollectionAssert.AreEqual(new[] { tokens.DocumentMask }, grown.Encode("[gMASK]", addSpecialTokens: false).Ids, kind);
            foreach (int id in new[] { tokens.Mask, tokens.SentenceMask, tokens.DocumentMask, tokens.Start, tokens.End, tokens.Cls, tokens.EndOfText })
                Assert.IsTrue(grown.IsSpecial(id), $"{kind}: {id}");
            foreach (int id in own.Tokenizer.Ids)
                Assert.AreEqual(own.Tokenizer.TokenOf(id), grown.TokenOf(id), kind);
        }
    }

    [TestMethod]
    public void WithNothingToAddItIsTheSame()
    {
        TextProcessor own = Processor(["a text"], 256), grown = own.WithSpecialTokens(BlankTokens.MissingIn(own.Tokenizer));
        Assert.AreNotSame(own, grown);
        Assert.AreSame(grown, grown.WithSpecialTokens(BlankTokens.MissingIn(grown.Tokenizer)));
    }

    private static TextProcessor Processor(IEnumerable<string> texts, int size) =>
        TextProcessor.Of(new Dictionary<string, byte[]> { ["tokenizer.json"] = BytePairTrainer.Train(texts, size) });

    private static string[] Merges(IEnumerable<string> texts, int size) =>
        [.. JsonNode.Parse(BytePairTrainer.Train(texts, size))!["model"]!["merges"]!.AsArray().Select(merge => (string)merge!)];
}
