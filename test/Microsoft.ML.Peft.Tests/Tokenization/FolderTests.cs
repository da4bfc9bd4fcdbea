using System.Text.Json;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Tests.Tokenization;

[TestClass]
public sealed class FolderTests
{
    [TestMethod]
    public void VocabTxtIsLowerCasedUnlessToldOtherwise()
    {
        using TemporaryFolder folder = new();
        folder.Write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\nHello\n##s\n");
        TextTokenizer uncased = TextTokenizer.Load(folder.Path);
        Shared.AreEqual([2, 5, 7, 4, 3], uncased.Encode("Hellos [MASK]").Ids, "uncased");
        Assert.AreEqual((0, 4, 2, 3, 1), (uncased.PadId, uncased.MaskId, uncased.ClsId, uncased.SepId, uncased.UnkId));
        Assert.AreEqual(int.MaxValue, uncased.ModelMaxLength);
        folder.Write("tokenizer_config.json", """{"do_lower_case": false, "model_max_length": 512}""");
        TextTokenizer cased = TextTokenizer.Load(folder.Path);
        Shared.AreEqual([2, 6, 3], cased.Encode("Hello").Ids, "cased");
        Assert.AreEqual(512, cased.ModelMaxLength);
        Assert.AreEqual(2, cased.Files.Count);
    }

    [TestMethod]
    [TestCategory("Parity")]
    [DataRow("gpt2")]
    [DataRow("clip")]
    public void VocabJsonAndMergesSayTheSame(string name)
    {
        string root = Path.Combine(Shared.ParityRoot, "tokenizers");
        TextTokenizer expected = Shared.Load(root, name);
        JsonElement model = Shared.Json(root, name, "tokenizer.json").GetProperty("model");
        using TemporaryFolder folder = new();
        folder.Write("vocab.json", model.GetProperty("vocab").GetRawText());
        folder.Write("merges.txt", "#version: 0.2\n" + string.Join('\n', model.GetProperty("merges").EnumerateArray().Select(pair => $"{pair[0]} {pair[1]}")));
        File.Copy(Path.Combine(root, name, "tokenizer_config.json"), Path.Combine(folder.Path, "tokenizer_config.json"));
        TextTokenizer actual = TextTokenizer.Load(folder.Path);
        foreach (JsonElement row in Shared.Json(root, name, "cases.json").GetProperty("rows").EnumerateArray())
        {
            string text = row.GetProperty("text").GetString()!;
            Shared.AreEqual(expected.Encode(text).Ids, actual.Encode(text).Ids, text);
        }
    }

    [TestMethod]
    [TestCategory("Parity")]
    public void TheConfigurationAddsToSentencePieceModels()
    {
        string model = Path.Combine(Shared.ParityRoot, "tokenizers", "sentencepiece-unigram");
        int size = Shared.Load(model).VocabularySize;
        using TemporaryFolder folder = new();
        File.Copy(Path.Combine(model, "spiece.model"), Path.Combine(folder.Path, "spiece.model"));
        folder.Write("tokenizer_config.json", """
            {"tokenizer_class": "T5Tokenizer", "extra_ids": 2, "eos_token": "</s>", "pad_token": "<pad>", "mask_token": {"content": "<mask>"}}
            """);
        TextTokenizer tokenizer = TextTokenizer.Load(folder.Path);
        Assert.AreEqual((size, size + 1, size + 2), (tokenizer.IdOf("<extra_id_1>"), tokenizer.IdOf("<extra_id_0>"), tokenizer.MaskId));
        int[] ids = tokenizer.Encode("the <extra_id_0> world</s>").Ids;
        CollectionAssert.AreEqual(new[] { size + 1, 1, 1 }, new[] { ids[1], ids[^2], ids[^1] });
        Assert.AreEqual("the world", tokenizer.Decode(ids));
    }

    [TestMethod]
    public void AnEmptyFolderIsNamed()
    {
        using TemporaryFolder folder = new();
        InvalidDataException exception = Assert.ThrowsExactly<InvalidDataException>(() => TextTokenizer.Load(folder.Path));
        StringAssert.Contains(exception.Message, folder.Path);
        StringAssert.Contains(exception.Message, "merges.txt");
    }

    [TestMethod]
    [DataRow("{", "tokenizer.json")]
    [DataRow("[]", "$.model.vocab")]
    [DataRow("""{"model": {"type": "WordPiece", "vocab": {"a": 0}}}""", "[UNK]")]
    [DataRow("""{"model": {"type": "WordPiece", "vocab": {"[UNK]": -1}}}""", "$.model.vocab")]
    [DataRow("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}}""", "'b'")]
    [DataRow("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a"]}}""", "$.model.merges[0]")]
    [DataRow("""{"model": {"type": "Unigram", "vocab": [["a"]]}}""", "$.model.vocab[0]")]
    [DataRow("""{"model": {"type": "Unigram", "unk_id": 5, "vocab": [["a", 0]]}}""", "$.model.unk_id")]
    [DataRow("""{"model": {"type": "BPE", "merges": [], "vocab": {"\ud800": 1}}}""", "$.model.vocab")]
    public void WhatIsWrongIsNamed(string json, string named)
    {
        using TemporaryFolder folder = new();
        InvalidDataException exception = Assert.ThrowsExactly<InvalidDataException>(() => folder.Load(json));
        StringAssert.Contains(exception.Message, "tokenizer.json");
        StringAssert.Contains(exception.Message, named);
    }

    [TestMethod]
    [DataRow("model")]
    [DataRow("normalizer")]
    [DataRow("pre_tokenizer")]
    [DataRow("post_processor")]
    [DataRow("decoder")]
    public void UnknownPartsAreNamed(string part)
    {
        using TemporaryFolder folder = new();
        string json = TinyFiles.Unigram.Replace("{\"normalizer\"", $"{{\"{part}\": {{\"type\": \"Magic\"}}, \"other\"", StringComparison.Ordinal);
        json = part == "normalizer" ? json : json.Replace($" \"{part}\":", $" \"another {part}\":", StringComparison.Ordinal);
        NotSupportedException exception = Assert.ThrowsExactly<NotSupportedException>(() => folder.Load(json));
        StringAssert.Contains(exception.Message, part);
        StringAssert.Contains(exception.Message, "Magic");
    }
}
