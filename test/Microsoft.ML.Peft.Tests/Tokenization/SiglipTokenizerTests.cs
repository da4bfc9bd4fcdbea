using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Tests.Tokenization;

/// <summary>SigLIP's tokenizer out of a SentencePiece model alone: what transformers does to a text in Python stands in none of its files.</summary>
[TestClass]
public sealed class SiglipTokenizerTests
{
    private readonly string _folder = Directory.CreateTempSubdirectory("siglip-tokenizer-").FullName;

    [TestCleanup]
    public void Delete() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    [DataRow("A  photo, of: a <CAT>!", "▁ a ▁ p h o t o ▁ o f ▁ a ▁ c a t </s>")]
    [DataRow("  (x) = y\n", "▁ x ▁ y </s>")]
    [DataRow("", "</s>")]
    public void TextsGoInSmallLettersWithoutPunctuationAndEnd(string text, string tokens)
    {
        File.WriteAllBytes(Path.Combine(_folder, "spiece.model"), TinySentencePiece.Bytes());
        File.WriteAllText(Path.Combine(_folder, "tokenizer_config.json"), """{"tokenizer_class": "SiglipTokenizer", "eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}""");
        TextTokenizer tokenizer = TextTokenizer.Load(_folder);
        Assert.AreEqual(tokens, string.Join(' ', tokenizer.Encode(text).Ids.Select(tokenizer.TokenOf)));
    }
}
