using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Tokenizers;

namespace Microsoft.ML.Peft.Tests.Tokenization;

/// <summary>Where Microsoft.ML.Tokenizers is right, it must say the same about random texts.</summary>
[TestClass]
[TestCategory("Parity")]
public sealed partial class AgreementTests
{
    private const int Texts = 2000;

    private static readonly string Root = Path.Combine(Shared.ParityRoot, "tokenizers");

    [TestMethod]
    public void SentencePieceBpe()
    {
        TextTokenizer ours = Shared.Load(Root, "sentencepiece-bpe");
        using Stream model = File.OpenRead(Path.Combine(Root, "sentencepiece-bpe", "tokenizer.model"));
        SentencePieceTokenizer theirs = SentencePieceTokenizer.Create(model, addBeginningOfSentence: false, addEndOfSentence: false);
        Compare(ours, theirs);
    }

    [TestMethod]
    public void ByteLevelBpe()
    {
        TextTokenizer ours = Shared.Load(Root, "gpt2");
        JsonElement json = Shared.Json(Root, "gpt2", "tokenizer.json").GetProperty("model");
        using MemoryStream vocabulary = new(System.Text.Encoding.UTF8.GetBytes(json.GetProperty("vocab").GetRawText()));
        string lines = string.Join('\n', json.GetProperty("merges").EnumerateArray().Select(pair => $"{pair[0]} {pair[1]}"));
        using MemoryStream merges = new(System.Text.Encoding.UTF8.GetBytes("#version: 0.2\n" + lines));
        Compare(ours, CodeGenTokenizer.Create(vocabulary, merges, addPrefixSpace: false, addBeginOfSentence: false, addEndOfSentence: false));
    }

    private static void Compare(TextTokenizer ours, Tokenizer theirs)
    {
        Random random = new(9);
        for (int i = 0; i < Texts; i++)
        {
            string text = RandomText(random);
            int[] ids = ours.Encode(text, addSpecialTokens: false).Ids;
            Shared.AreEqual([.. theirs.EncodeToIds(text)], ids, text);
            Assert.AreEqual(text, ours.Decode(ids), text);
        }
    }

    // Of runs of one character theirs merges the last pair first where SentencePiece merges the first,
    // and runs of spaces are tokens of their own in CodeGen's vocabulary.
    [GeneratedRegex(@"(.)\1+|\s\s+", RegexOptions.Singleline)]
    private static partial Regex Runs();

    private static string RandomText(Random random)
    {
        string[] parts = ["the", " ", " ", "ing", "'s", "12", ".", "é", "你", "🎉", "Str", "er", "\n", "xy", "-a", "ation", "of", "A", "ß", "\t"];
        StringBuilder text = new("T");
        for (int count = random.Next(25); count > 0; count--)
        {
            text.Append(parts[random.Next(parts.Length)]);
        }
        return Runs().Replace(text.ToString(), match => match.Value[..1]);
    }
}
