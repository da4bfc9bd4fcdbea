using System.IO.Compression;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Tests.Tokenization;

/// <summary>CLIP's tokenizer out of the file that lies beside OpenAI's code.</summary>
[TestClass]
public sealed class OpenAiVocabularyTests
{
    private const int WordEnd = 256;
    private const string Name = "bpe_simple_vocab_16e6.txt.gz";

    private readonly string _folder = Directory.CreateTempSubdirectory("openai-vocabulary-").FullName;

    [TestCleanup]
    public void Delete() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void BytesComeBeforeMergesAndBothEndsLast()
    {
        Write("\"version: 0.2\ni n\nt h</w>\n");
        TextTokenizer tokenizer = TextTokenizer.Load(_folder);
        // 256 bytes from '!' on, the same at the end of a word, two merges, start and end.
        Assert.AreEqual((2 * 256) + 4, tokenizer.VocabularySize);
        Assert.AreEqual(tokenizer.VocabularySize - 1, tokenizer.EosId);
        // "th" merges at the end of a word alone.
        Check("In", 'i' - '!', 'n' - '!' + WordEnd);
        Check("ins", 512, 's' - '!' + WordEnd);
        Check("ba", 'b' - '!', 'a' - '!' + WordEnd);
        Check("tth", 't' - '!', 513);

        void Check(string text, params int[] ids) => CollectionAssert.AreEqual(new[] { 514 }.Concat(ids).Append(515).ToArray(), tokenizer.Encode(text).Ids, text);
    }

    [TestMethod]
    public void ItIsTheTokenizerOfVocabularyAndMerges()
    {
        string shared = SharedData.Require(SharedData.Data, "tokenizers", "clip");
        File.Copy(Path.Combine(shared, Name), Path.Combine(_folder, Name));
        TextTokenizer packed = TextTokenizer.Load(_folder);
        string plainFolder = Directory.CreateDirectory(Path.Combine(_folder, "plain")).FullName;
        foreach (string file in new[] { "vocab.json", "merges.txt" })
            File.Copy(Path.Combine(shared, file), Path.Combine(plainFolder, file));
        TextTokenizer plain = TextTokenizer.Load(plainFolder);
        Assert.AreEqual(49408, packed.VocabularySize);
        Assert.AreEqual(49407, packed.EosId);
        foreach (string text in new[] { "a photo of a cat", "Überraschung: 3.14 don't <|endoftext|> x", "日本語 \U0001F600", "", "  many   spaces\n" })
            CollectionAssert.AreEqual(plain.Encode(text).Ids, packed.Encode(text).Ids, text);
    }

    [TestMethod]
    public void WhatIsNoCompressedFileIsRefusedByName()
    {
        File.WriteAllBytes(Path.Combine(_folder, Name), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        Assert.Contains(Name, Assert.ThrowsExactly<InvalidDataException>(() => TextTokenizer.Load(_folder)).Message);
    }

    private void Write(string text)
    {
        using var packed = new GZipStream(File.Create(Path.Combine(_folder, Name)), CompressionMode.Compress);
        packed.Write(System.Text.Encoding.UTF8.GetBytes(text));
    }
}
