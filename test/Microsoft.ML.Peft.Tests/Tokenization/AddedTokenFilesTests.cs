using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Tests.Tokenization;

/// <summary>Tokens that stand in a file beside the vocabulary, for every kind of vocabulary: transformers reads them, and gives them these ids.</summary>
[TestClass]
public sealed class AddedTokenFilesTests
{
    private const string Words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\n##s\n";

    private static readonly Dictionary<string, Action<TemporaryFolder>> Vocabularies = new()
    {
        ["vocab.txt"] = folder => folder.Write("vocab.txt", Words),
        ["vocab.json"] = folder =>
        {
            folder.Write("vocab.json", """{"h": 0, "i": 1, "Ġ": 2, "hi": 3, "<|endoftext|>": 4}""");
            folder.Write("merges.txt", "#version: 0.2\nh i\n");
        },
        ["tokenizer.model"] = folder => File.WriteAllBytes(Path.Combine(folder.Path, "tokenizer.model"), TinySentencePiece.Bytes()),
        ["tokenizer.json"] = folder => folder.Write("tokenizer.json", TinyFiles.ByteLevel),
        ["WordPiece tokenizer.json"] = folder => folder.Write("tokenizer.json", TinyFiles.WordPiece),
    };

    public static IEnumerable<object[]> Kinds => Vocabularies.Keys.Select(kind => new object[] { kind });

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void AddedTokensJsonCounts(string kind) => Check(kind, "added_tokens.json", size => $$"""{"<b>": {{size + 1}}, "<a>": {{size}} }""", special: false);

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void AddedTokensDecoderCounts(string kind) => Check(kind, "tokenizer_config.json", size => $$"""
        {"added_tokens_decoder": {"{{size + 1}}": {"content": "<b>", "special": true}, "{{size}}": {"content": "<a>", "special": true, "rstrip": true} } }
        """, special: true);

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void SpecialTokensWithoutAnIdFollowOnTheLast(string kind) => Check(
        kind, "special_tokens_map.json", _ => """{"pad_token": {"content": "<a>"}, "additional_special_tokens": ["<b>"]}""", special: true);

    [TestMethod]
    public void AddedTokensAreSpecialWhereARoleSaysSo()
    {
        using TemporaryFolder folder = new();
        Vocabularies["vocab.txt"](folder);
        folder.Write("added_tokens.json", """{"<a>": 7, "<b>": 8}""");
        folder.Write("tokenizer_config.json", """{"pad_token": "<b>"}""");
        TextTokenizer tokenizer = TextTokenizer.Load(folder.Path);
        Assert.AreEqual((false, true, 8), (tokenizer.IsSpecial(7), tokenizer.IsSpecial(8), tokenizer.PadId));
    }

    [TestMethod]
    public void TheMainFilesIdsHold()
    {
        using TemporaryFolder folder = new();
        folder.Write("tokenizer_config.json", """
            {"added_tokens_decoder": {"3": {"content": "[MASK]", "special": true, "lstrip": false}, "70": {"content": "<a>"}}, "pad_token": "the"}
            """);
        TextTokenizer tokenizer = folder.Load(TinyFiles.WordPiece);
        Assert.AreEqual((4, 3, 10), (tokenizer.IdOf("[MASK]"), tokenizer.IdOf("[PAD]"), tokenizer.IdOf("<a>")));
        Shared.AreEqual([7, 4, 10], tokenizer.Encode("the [MASK]<a>", addSpecialTokens: false).Ids, "ids");
        Assert.AreEqual((7, true), (tokenizer.PadId, tokenizer.IsSpecial(7)));
    }

    [TestMethod]
    public void WhatIsWrongIsNamed()
    {
        using TemporaryFolder folder = new();
        folder.Write("added_tokens.json", """{"<a>": "5"}""");
        string message = Assert.ThrowsExactly<InvalidDataException>(() => folder.Load(TinyFiles.WordPiece)).Message;
        StringAssert.Contains(message, "added_tokens.json");
    }

    [TestMethod]
    public void AGrownTokenizerKeepsThem()
    {
        using TemporaryFolder folder = new();
        folder.Write("tokenizer_config.json", """{"pad_token": "<pad>", "added_tokens_decoder": {"11": {"content": "<a>"}}}""");
        TextTokenizer before = folder.Load(TinyFiles.ByteLevel);
        TextTokenizer after = new TextProcessor(before).WithTokens(["<b>", "<c>"]).Tokenizer;
        Assert.AreEqual((11, 12, 13, 14), (after.IdOf("<a>"), after.PadId, after.IdOf("<b>"), after.IdOf("<c>")));
        Assert.AreEqual((before.IdOf("<a>"), before.PadId), (11, 12));
        Assert.IsTrue(after.IsSpecial(12) && !after.IsSpecial(13));
    }

    private static void Check(string kind, string file, Func<int, string> content, bool special)
    {
        using TemporaryFolder folder = new();
        Vocabularies[kind](folder);
        int size = TextTokenizer.Load(folder.Path).VocabularySize;
        string path = folder.Write(file, content(size));
        TextTokenizer tokenizer = TextTokenizer.Load(folder.Path);
        Assert.AreEqual((size, size + 1, size + 2), (tokenizer.IdOf("<a>"), tokenizer.IdOf("<b>"), tokenizer.VocabularySize), kind);
        CollectionAssert.IsSubsetOf(new[] { size, size + 1 }, tokenizer.Encode("<a>hi <b>").Ids, kind);
        Assert.AreEqual((special, special), (tokenizer.IsSpecial(size), tokenizer.IsSpecial(size + 1)), kind);
        // An archive and an adapter's folder carry the file.
        Assert.IsTrue(tokenizer.Files.Any(saved => saved.Name == Path.GetFileName(path)), kind);
        Assert.AreEqual(size + 1, TextProcessor.Of(new TextProcessor(tokenizer).Files).Tokenizer.IdOf("<b>"), kind);
    }
}
