using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Tests.Tokenization;

/// <summary>Where one text goes on behind another, its tokens are those that a model which has read the first writes.</summary>
[TestClass]
public sealed class JointTests
{
    private static readonly (string Before, string Text)[] Joints =
        [("a=", "b"), ("a=", " b"), ("a= ", "b"), ("a=", "=b"), ("a", "b"), ("a:", "\nb"), ("a", " a b"), ("", "b"), ("a</s>", "b"), ("a", "b</s>")];

    public static IEnumerable<object[]> Cases => from kind in JointKinds.Lossless from joint in Joints select new object[] { kind, joint.Before, joint.Text };

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void TogetherTheySayTheWholeText(string kind, string before, string text)
    {
        using TemporaryFolder folder = new();
        TextTokenizer tokenizer = JointKinds.Load(kind, folder);
        int[] read = tokenizer.Encode(before, addSpecialTokens: false).Ids, whole = tokenizer.Encode(before + text, addSpecialTokens: false).Ids;
        Continuation rest = tokenizer.EncodeAfter(before, text);
        Assert.AreEqual(
            tokenizer.Decode(whole, skipSpecialTokens: false), tokenizer.Decode([.. read, .. rest.Ids], skipSpecialTokens: false), $"'{before}' + '{text}'");
        // Only what the tokenizer would write as one token is cut.
        if (!rest.Splits)
            Shared.AreEqual(whole, [.. read, .. rest.Ids], $"'{before}' + '{text}'");
        Assert.AreEqual(rest.Ids.Length, rest.Starts.Length);
    }

    [TestMethod]
    [DataRow(JointKinds.ByteLevel, "a=", "b", "b", false)]
    [DataRow(JointKinds.ByteLevel, "a=", "=b", "= b", true)]
    [DataRow(JointKinds.ByteLevel, "a:", "\nb", "Ċb", true)]
    [DataRow(JointKinds.ByteLevel, "a", "b", "b", true)]
    [DataRow(JointKinds.SentencePiece, "a=", "b", "b", false)]
    [DataRow(JointKinds.SentencePiece, "a=", " b", "▁b", false)]
    [DataRow(JointKinds.SentencePiece, "a=", "=b", "= b", true)]
    [DataRow(JointKinds.SentencePiece, "a:", "\nb", "\n b", true)]
    [DataRow(JointKinds.Legacy, "a=", "=b", "= b", true)]
    [DataRow(JointKinds.Legacy, "a</s>", "b", "▁b", false)]
    [DataRow(JointKinds.Metaspace, "a=", "=b", "= b", true)]
    [DataRow(JointKinds.Prepend, "a=", "=b", "= b", true)]
    [DataRow(JointKinds.Prepend, "a=", "b", "b", false)]
    [DataRow(JointKinds.WordPiece, "a=", "b", "b", false)]
    [DataRow(JointKinds.WordPiece, "a", " b", "b", false)]
    [DataRow(JointKinds.WordPiece, "a", "b", "##b", true)]
    [DataRow(JointKinds.WordPiece, "b", "s", "##s", false)]
    public void TheTokensAreThose(string kind, string before, string text, string expected, bool splits)
    {
        using TemporaryFolder folder = new();
        TextTokenizer tokenizer = JointKinds.Load(kind, folder);
        Continuation rest = tokenizer.EncodeAfter(before, text);
        Assert.AreEqual((expected, splits), (string.Join(' ', rest.Ids.Select(tokenizer.TokenOf)), rest.Splits));
    }

    [TestMethod]
    public void APromptHasNothingBehindIt()
    {
        using TemporaryFolder folder = new();
        TextTokenizer tokenizer = JointKinds.Load(JointKinds.WordPiece, folder);
        Shared.AreEqual([1, 6], tokenizer.EncodePrompt("a"), "[CLS] a");
        Shared.AreEqual([1, 6, 2], tokenizer.Encode("a").Ids, "[CLS] a [SEP]");
    }

    [TestMethod]
    [DataRow("hi<x>", false)]
    [DataRow("hi <x>", true)]
    public void ATokenAddedToASentencePieceModelNeedsNoBlank(string text, bool blank)
    {
        using TemporaryFolder folder = new();
        File.WriteAllBytes(Path.Combine(folder.Path, "tokenizer.model"), TinySentencePiece.Bytes());
        folder.Write("added_tokens.json", """{"<x>": 35}""");
        TextTokenizer tokenizer = TextTokenizer.Load(folder.Path);
        int[] ids = tokenizer.Encode(text, addSpecialTokens: false).Ids;
        Assert.AreEqual((35, blank ? 5 : 4), (ids[^1], ids.Length));
    }
}
