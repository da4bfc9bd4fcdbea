using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Tests.Checkpoints.Gguf;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Tokenization.Gguf;

/// <summary>Tokenizers from the metadata of GGUF files, against the files that they were converted from.</summary>
[TestClass]
public sealed class GgufTokenizerTests
{
    private static readonly string[] s_texts =
    [
        "", "Hello, world!", "  two  spaces and\ttabs\r\n\r\nlines \n", "don't we'll I'M", "naïve café Ünïcödé", "你好，世界 🎉👩‍🚀", "1234567 3.14 ½ ٣",
        "<|im_start|>user\nHi there<|im_end|>\n<|im_start|>assistant\n", "x = foo(bar)[0]; // done</s>", "\u00a0odd\u3000spaces\u200b", "e\u0301 A\u030a",
    ];

    [TestMethod]
    public void BytePairsOfARealFile()
    {
        using TemporaryFolder folder = new();
        TextTokenizer expected = Shared.Load(Shared.ModelsRoot, "smollm2-135m-instruct");
        string file = Path.Combine(folder.Path, "alone.gguf");
        File.Copy(CheckpointFolder.FindGguf(Path.Combine(Shared.ModelsRoot, "smollm2-135m-instruct"))!, file);
        TextTokenizer actual = TextTokenizer.Load(file);
        AreSame(expected, actual, [.. s_texts, .. Sentences()]);
        Assert.AreEqual((expected.ModelMaxLength, expected.ChatTemplate?.Source), (actual.ModelMaxLength, actual.ChatTemplate?.Source));
        Assert.IsNotNull(actual.ChatTemplate);
        Assert.IsTrue(actual.Files.Sum(part => part.Read().Length) < 5_000_000, "an archive carries the tokenizer, not the weights");
    }

    [TestMethod]
    public void ASentencePieceModelConvertedAndBack()
    {
        using TemporaryFolder folder = new();
        string original = Path.Combine(Shared.ModelsRoot, "stories260k");
        TextTokenizer expected = Shared.Load(original);
        SentencePieceModel model = SentencePieceModel.Read(TokenizerFile.OnDisk(Path.Combine(original, "tokenizer.model")));
        string file = new GgufBuilder().Set("tokenizer.ggml.model", "llama")
            .Set("tokenizer.ggml.tokens", model.Pieces.Select(piece => piece.Text).ToArray())
            .Set("tokenizer.ggml.scores", model.Pieces.Select(piece => piece.Score).ToArray())
            .Set("tokenizer.ggml.token_type", model.Pieces.Select(piece => (int)piece.Type).ToArray())
            .Set("tokenizer.ggml.bos_token_id", 1u).Set("tokenizer.ggml.eos_token_id", 2u).Set("tokenizer.ggml.unknown_token_id", 0u)
            .Set("tokenizer.ggml.padding_token_id", 4_000_000_000u)
            .Write(Path.Combine(folder.Path, "model.gguf"));
        TextTokenizer actual = TextTokenizer.Load(file);
        foreach (string text in s_texts.Concat(Sentences()))
        {
            Shared.AreEqual(expected.Encode(text).Ids, actual.Encode(text).Ids, text);
            Assert.AreEqual(expected.Decode(expected.Encode(text).Ids), actual.Decode(expected.Encode(text).Ids), text);
        }
        Assert.AreEqual((1, 2, 0, (int?)null), (actual.BosId, actual.EosId, actual.UnkId, actual.PadId));
        AreSame(actual, TextTokenizer.Load(folder.Path), s_texts);
        AreSame(actual, Restored(actual), s_texts);
    }

    [TestMethod]
    public void SpecialsStartEndAndTypes()
    {
        using TemporaryFolder folder = new();
        TextTokenizer tokenizer = TextTokenizer.Load(Tiny("llama-bpe").Set("tokenizer.ggml.add_eos_token", true).Write(Path.Combine(folder.Path, "m.gguf")));
        Shared.AreEqual([0, 5, 3, 1], tokenizer.Encode("ab<tool>").Ids, "llama-bpe begins with its start token unless the file says no");
        Shared.AreEqual([0, 4, 1, 0, 6, 1], tokenizer.Encode("a", "b").Ids, "a pair");
        Assert.IsTrue(tokenizer.IsSpecial(0) && tokenizer.IsSpecial(1) && !tokenizer.IsSpecial(3));
        Assert.AreEqual((7, "ab<tool>"), (tokenizer.VocabularySize, tokenizer.Decode(tokenizer.Encode("ab<tool>").Ids)));
        AreSame(tokenizer, Restored(tokenizer), ["ab<tool>", "b a"]);
        using TemporaryFolder other = new();
        Shared.AreEqual([5], TextTokenizer.Load(Tiny("gpt-2").Write(Path.Combine(other.Path, "m.gguf"))).Encode("ab").Ids, "GPT-2 does not");
    }

    [TestMethod]
    [DataRow("llama-bpe", "abc 12345 it'S\n\n x", "abc| |123|45| it|'S|\n\n| x")]
    [DataRow("qwen2", "abc 123 it's", "abc| |1|2|3| it|'s")]
    [DataRow("gpt-2", "abc 123 it's  x", "abc| 123| it|'s| | x")]
    [DataRow("smollm", "abc 123 x", "abc| |1|2|3| x")]
    [DataRow("default", "abc 1234, x", "abc| |123|4|,| x")]
    [DataRow("tekken", "fooBar 12", "foo|Bar| |1|2")]
    [DataRow("gpt-4o", "fooBar's 1234", "foo|Bar's| |123|4")]
    [DataRow("falcon", "abc, 1234", "abc|,| |123|4")]
    public void WordsAreCutByName(string name, string text, string words)
    {
        using TemporaryFolder folder = new();
        TextTokenizer tokenizer = TextTokenizer.Load(Bytes(name).Write(Path.Combine(folder.Path, "m.gguf")));
        Encoding encoding = tokenizer.Encode(text, addSpecialTokens: false);
        IEnumerable<string> found = Enumerable.Range(0, encoding.Ids.Length).GroupBy(i => encoding.Words[i])
            .Select(word => text[encoding.Starts[word.First()]..encoding.Ends[word.Last()]]);
        Assert.AreEqual(words, string.Join('|', found));
    }

    [TestMethod]
    public void WhatIsWrongIsNamed()
    {
        Throws<NotSupportedException>(Tiny("brand-new"), "'brand-new'", "llama-bpe", "tokenizer.json");
        Throws<NotSupportedException>(new GgufBuilder().Set("tokenizer.ggml.model", "bert"), "'bert'", "gpt2");
        Throws<InvalidDataException>(new GgufBuilder(), "tokenizer.ggml.model");
        Throws<InvalidDataException>(new GgufBuilder().Set("tokenizer.ggml.model", "gpt2"), "tokenizer.ggml.tokens");
        Throws<InvalidDataException>(new GgufBuilder().Set("tokenizer.ggml.model", "gpt2").Set("tokenizer.ggml.tokens", new[] { "a" }), "tokenizer.ggml.merges");
        Throws<InvalidDataException>(new GgufBuilder().Set("tokenizer.ggml.model", "llama").Set("tokenizer.ggml.tokens", new[] { "a" }), "bos_token");
        Throws<InvalidDataException>(new GgufBuilder().Set("tokenizer.ggml.model", "gpt2").Set("tokenizer.ggml.tokens", new[] { "a", "b" })
            .Set("tokenizer.ggml.token_type", new[] { 1 }), "tokenizer.ggml.token_type", "2 values");
        Throws<InvalidDataException>(new GgufBuilder().Set("tokenizer.ggml.model", "gpt2").Set("tokenizer.ggml.tokens", new[] { "a", "b" })
            .Set("tokenizer.ggml.merges", new[] { "a b" }), "'ab'");
    }

    [TestMethod]
    public void DamagedFilesAreReadOrRefused()
    {
        using TemporaryFolder folder = new();
        string path = Path.Combine(folder.Path, "m.gguf");
        var random = new Random(5);
        foreach (byte[] original in new[] { Tiny("llama-bpe").ToBytes(), TinyPieces().ToBytes() })
        {
            int refused = 0;
            for (int i = 0; i < 2000; i++)
            {
                byte[] mutant = [.. original];
                for (int changes = random.Next(1, 4); changes > 0; changes--)
                    mutant[random.Next(24, mutant.Length)] = random.Next(3) == 0 ? (byte)random.Next(256) : (byte)random.Next(8);
                File.WriteAllBytes(path, mutant[..(random.Next(5) == 0 ? random.Next(1, mutant.Length) : mutant.Length)]);
                refused += IsRefused(path) ? 1 : 0;
            }
            Assert.IsTrue(refused is > 200 and < 2000, $"{refused} refused");
        }
    }

    private static bool IsRefused(string path)
    {
        try
        {
            TextTokenizer tokenizer = TextTokenizer.Load(path);
            tokenizer.Decode(tokenizer.Encode("ab <tool> ba", "b").Ids);
            return false;
        }
        catch (Exception exception) when (exception is InvalidDataException or NotSupportedException)
        {
            Assert.Contains(path, exception.Message);
            return true;
        }
    }

    private static GgufBuilder Tiny(string pre) => new GgufBuilder().Set("tokenizer.ggml.model", "gpt2").Set("tokenizer.ggml.pre", pre)
        .Set("tokenizer.ggml.tokens", new[] { "<s>", "</s>", "[PAD2]", "<tool>", "a", "ab", "b" })
        .Set("tokenizer.ggml.token_type", new[] { 3, 3, 5, 4, 1, 1, 1 })
        .Set("tokenizer.ggml.merges", new[] { "a b" })
        .Set("tokenizer.ggml.bos_token_id", 0u).Set("tokenizer.ggml.eos_token_id", 1u);

    private static GgufBuilder TinyPieces() => new GgufBuilder().Set("tokenizer.ggml.model", "llama")
        .Set("tokenizer.ggml.tokens", new[] { "<unk>", "<s>", "</s>", "<tool>", "▁", "a", "b", "ab", "▁ab" })
        .Set("tokenizer.ggml.scores", new[] { 0f, 0f, 0f, 0f, -3f, -4f, -5f, -1f, -2f })
        .Set("tokenizer.ggml.token_type", new[] { 2, 3, 3, 4, 1, 1, 1, 1, 1 })
        .Set("tokenizer.ggml.bos_token_id", 1u).Set("tokenizer.ggml.eos_token_id", 2u);

    /// <summary>A vocabulary of the bytes alone.</summary>
    private static GgufBuilder Bytes(string pre) => new GgufBuilder().Set("tokenizer.ggml.model", "gpt2").Set("tokenizer.ggml.pre", pre)
        .Set("tokenizer.ggml.tokens", Enumerable.Range(0, 256).Select(value => ByteAlphabet.Character((byte)value).ToString()).ToArray())
        .Set("tokenizer.ggml.merges", Array.Empty<string>()).Set("tokenizer.ggml.add_bos_token", false);

    private static TextTokenizer Restored(TextTokenizer tokenizer)
    {
        using TemporaryFolder folder = new();
        foreach (TokenizerFile file in tokenizer.Files)
            File.WriteAllBytes(Path.Combine(folder.Path, file.Name), file.Read());
        return TextTokenizer.Load(folder.Path);
    }

    private static void AreSame(TextTokenizer expected, TextTokenizer actual, IEnumerable<string> texts)
    {
        foreach (string text in texts)
        {
            Encoding first = expected.Encode(text), second = actual.Encode(text);
            Shared.AreEqual(first.Ids, second.Ids, text);
            Shared.AreEqual(first.Starts, second.Starts, $"starts of {text}");
            Assert.AreEqual(expected.Decode(first.Ids, skipSpecialTokens: false), actual.Decode(first.Ids, skipSpecialTokens: false), text);
        }
        Assert.AreEqual((expected.BosId, expected.EosId, expected.UnkId, expected.PadId, expected.VocabularySize),
            (actual.BosId, actual.EosId, actual.UnkId, actual.PadId, actual.VocabularySize));
        Assert.IsTrue(Enumerable.Range(0, expected.VocabularySize).All(id => expected.IsSpecial(id) == actual.IsSpecial(id)), "special tokens");
    }

    private static IEnumerable<string> Sentences()
    {
        string folder = Path.Combine(Shared.ModelsRoot, "..", "tiny-shakespeare");
        return Directory.Exists(folder) ? Directory.GetFiles(folder, "*.txt").Order().Take(1).SelectMany(File.ReadLines).Take(500) : [];
    }

    private static void Throws<T>(GgufBuilder builder, params string[] words) where T : Exception
    {
        using TemporaryFolder folder = new();
        string message = Assert.ThrowsExactly<T>(() => TextTokenizer.Load(builder.Write(Path.Combine(folder.Path, "m.gguf"))), string.Join(' ', words)).Message;
        foreach (string word in words.Append("m.gguf"))
            Assert.Contains(word, message);
    }
}
