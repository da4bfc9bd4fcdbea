using Microsoft.ML.Peft.Tokenization;
using Encoding = Microsoft.ML.Peft.Tokenization.Encoding;

namespace Microsoft.ML.Peft.Tests.Tokenization;

[TestClass]
public sealed class PipelineTests
{
    [TestMethod]
    public void WordPieceKeepsOffsetsIntoTheOriginal()
    {
        using TemporaryFolder folder = new();
        Encoding encoding = folder.Load(TinyFiles.WordPiece).Encode("The\tCafe\u0301s, CAFÉ");
        Shared.AreEqual([1, 7, 5, 6, 8, 5, 2], encoding.Ids, "ids");
        Shared.AreEqual([-1, 0, 4, 9, 10, 12, -1], encoding.Starts, "starts");
        Shared.AreEqual([-1, 3, 8, 10, 11, 16, -1], encoding.Ends, "ends");
        Shared.AreEqual([-1, 0, 1, 1, 2, 3, -1], encoding.Words, "words");
    }

    [TestMethod]
    public void AddedTokensFollowTheirFlags()
    {
        using TemporaryFolder folder = new();
        TextTokenizer tokenizer = folder.Load(TinyFiles.WordPiece);
        Encoding encoding = tokenizer.Encode("the  [MASK]new york, new yorks", addSpecialTokens: false);
        Shared.AreEqual([7, 4, 9, 8, 0, 0], encoding.Ids, "[MASK] takes the space before it; 'new yorks' is no whole word");
        Assert.AreEqual("the New York,", tokenizer.Decode([7, 4, 9, 8]));
        Assert.AreEqual("the [MASK]", tokenizer.Decode([7, 4], skipSpecialTokens: false));
        Assert.IsTrue(tokenizer.IsSpecial(4) && !tokenizer.IsSpecial(9));
        Assert.AreEqual(10, tokenizer.VocabularySize);
    }

    [TestMethod]
    public void BpeMergesFusesAndIgnoresMerges()
    {
        using TemporaryFolder folder = new();
        TextTokenizer tokenizer = folder.Load(TinyFiles.Bpe);
        Shared.AreEqual([1, 6, 7, 3, 0, 8], tokenizer.Encode("ＡB bá日本 bab ").Ids, "ids");
        Assert.AreEqual("ab ba", tokenizer.Decode([6, 7, 3]));
    }

    [TestMethod]
    public void UnigramTakesTheBestPath()
    {
        using TemporaryFolder folder = new();
        TextTokenizer tokenizer = folder.Load(TinyFiles.Unigram);
        Shared.AreEqual([5, 4, 5, 0, 2], tokenizer.Encode("abab   ab¿¿a").Ids, "ids");
        Assert.AreEqual("abab aab", tokenizer.Decode([5, 4, 1, 2, 4]));
    }

    [TestMethod]
    public void ByteLevelSplitsByPatternAndDigit()
    {
        using TemporaryFolder folder = new();
        TextTokenizer tokenizer = folder.Load(TinyFiles.ByteLevel);
        Encoding encoding = tokenizer.Encode("ab aé12<|end|>  a", addSpecialTokens: false);
        Shared.AreEqual([10, 7, 6, 8, 9, 0, 1], encoding.Ids, "ids");
        Shared.AreEqual([0, 3, 4, 5, 6, 7, 16], encoding.Starts, "starts");
        Shared.AreEqual([2, 4, 5, 6, 7, 14, 17], encoding.Ends, "ends");
        Assert.AreEqual("ab aé12", tokenizer.Decode(encoding.Ids[..5]));
    }

    [TestMethod]
    public void PairsAreCutLongestFirst()
    {
        using TemporaryFolder folder = new();
        TextTokenizer tokenizer = folder.Load(TinyFiles.WordPiece);
        (string five, string three) = ("the the the the the", ", , ,");
        Assert.AreEqual((5, 3, false), Cut(tokenizer, five, three, 11));
        Assert.AreEqual((4, 3, true), Cut(tokenizer, five, three, 10));
        Assert.AreEqual((3, 4, true), Cut(tokenizer, three, five, 10));
        Assert.AreEqual((3, 2, true), Cut(tokenizer, five, three, 8));
        Assert.AreEqual((2, 3, true), Cut(tokenizer, three, three, 8));
        Assert.AreEqual((0, 0, true), Cut(tokenizer, three, three, 2));
    }

    [TestMethod]
    public void WordsKnowTheirIndex()
    {
        using TemporaryFolder folder = new();
        Encoding encoding = folder.Load(TinyFiles.WordPiece).EncodeWords(["cafes", "the", "cafes"], maxLength: 6);
        Shared.AreEqual([1, 5, 6, 7, 5, 2], encoding.Ids, "ids");
        Shared.AreEqual([-1, 0, 0, 1, 2, -1], encoding.Words, "words");
        Shared.AreEqual([-1, 0, 4, 0, 0, -1], encoding.Starts, "starts");
        Assert.IsTrue(encoding.Truncated);
    }

    [TestMethod]
    public void WordsOfByteLevelModelsGetTheirSpace()
    {
        using TemporaryFolder folder = new();
        Encoding encoding = folder.Load(TinyFiles.ByteLevel).EncodeWords(["a", "ab"]);
        Shared.AreEqual([0, 7, 7, 2, 0], encoding.Ids, "ids");
        Shared.AreEqual([-1, 0, 0, 1, -1], encoding.Starts, "starts");
        Shared.AreEqual([-1, 1, 1, 2, -1], encoding.Ends, "ends");
    }

    [TestMethod]
    public void HalfCharactersAreReplaced()
    {
        using TemporaryFolder folder = new();
        Shared.AreEqual([1, 6, 0, 5], folder.Load(TinyFiles.Bpe).Encode("ab\uD83Dab").Ids, "ids");
    }

    private static (int First, int Second, bool Truncated) Cut(TextTokenizer tokenizer, string first, string second, int maxLength)
    {
        Encoding encoding = tokenizer.Encode(first, second, maxLength);
        return (encoding.Sequence!.Count(index => index == 0), encoding.Sequence!.Count(index => index == 1), encoding.Truncated);
    }
}
