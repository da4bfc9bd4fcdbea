using System.Globalization;
using System.Text;
using Microsoft.ML.Peft.Tokenization;
using Encoding = Microsoft.ML.Peft.Tokenization.Encoding;

namespace Microsoft.ML.Peft.Tests.Tokenization;

/// <summary>For plain words the text between a token's offsets is the token, whatever marks its vocabulary has.</summary>
[TestClass]
public sealed class OffsetTests
{
    private const int Texts = 200;

    public static IEnumerable<object[]> Folders => Shared.Folders(Path.Combine(Shared.ParityRoot, "tokenizers"), "cases.json")
        .Concat(Shared.Folders(Shared.ModelsRoot, "tokenizer.json"))
        .DefaultIfEmpty("(none)")
        .Select(folder => new object[] { folder });

    [TestMethod]
    [DynamicData(nameof(Folders))]
    public void OffsetsHoldTheToken(string folder)
    {
        TextTokenizer tokenizer = Shared.Load(folder);
        Random random = new(5);
        int compared = 0;
        for (int i = 0; i < Texts; i++)
        {
            string text = Sentence(random);
            compared += Check(tokenizer, text, tokenizer.Encode(text));
        }
        Console.WriteLine($"{Path.GetFileName(folder)}: {compared} tokens compared");
        Assert.IsTrue(compared > Texts);
    }

    [TestMethod]
    [DynamicData(nameof(Folders))]
    public void OffsetsAreOrderedInAnyText(string folder)
    {
        TextTokenizer tokenizer = Shared.Load(folder);
        Random random = new(6);
        for (int i = 0; i < Texts; i++)
        {
            string text = Noise(random);
            Encoding encoding = tokenizer.Encode(text, addSpecialTokens: false);
            for (int t = 0; t < encoding.Length; t++)
            {
                Assert.IsTrue(0 <= encoding.Starts[t] && encoding.Starts[t] <= encoding.Ends[t] && encoding.Ends[t] <= text.Length, text);
                Assert.IsTrue(t == 0 || encoding.Starts[t] >= encoding.Starts[t - 1] && encoding.Words[t] >= encoding.Words[t - 1], text);
            }
        }
    }

    private static int Check(TextTokenizer tokenizer, string text, Encoding encoding)
    {
        int compared = 0;
        for (int i = 0; i < encoding.Length; i++)
        {
            string token = tokenizer.TokenOf(encoding.Ids[i])!;
            string plain = token.Replace("##", "").Replace("</w>", "").Trim('Ġ', '▁');
            if (encoding.Starts[i] >= 0 && encoding.Ids[i] != tokenizer.UnkId && plain.Length > 0 && !token.StartsWith("<0x", StringComparison.Ordinal))
            {
                string found = text[encoding.Starts[i]..encoding.Ends[i]];
                Assert.AreEqual(plain, found, ignoreCase: true, CultureInfo.InvariantCulture, text);
                compared++;
            }
        }
        return compared;
    }

    private static string Sentence(Random random)
    {
        StringBuilder text = new();
        for (int word = random.Next(1, 9); word > 0; word--)
        {
            int length = random.Next(1, 9);
            for (int i = 0; i < length; i++)
            {
                text.Append((char)((i == 0 && random.Next(4) == 0 ? 'A' : 'a') + random.Next(26)));
            }
            text.Append(' ', random.Next(1, 3));
        }
        return text.ToString();
    }

    private static string Noise(Random random)
    {
        string[] parts = [" ", "a", "B", "é", "e\u0301", "你", "🎉", "\u200d", "\0", "\n", "ﬁ", "…", "İ", "1", "½", "'s", "\uD83D", "가", "<s>", "[MASK]", "한", "ｶﾞ"];
        return string.Concat(Enumerable.Range(0, random.Next(20)).Select(_ => parts[random.Next(parts.Length)]));
    }
}
