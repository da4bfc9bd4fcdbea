using Microsoft.ML.Peft.Data.BlankInfilling;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Tests.Data.BlankInfilling;

/// <summary>Drawn blanks against the distributions that they are of. Seeds are fixed; a bound is five standard errors of the mean that it holds.</summary>
[TestClass]
public sealed class BlankDrawsTests
{
    private const int Start = 1, End = 2, Stop = 3, FirstWord = 10, Rows = 4000;

    private static readonly BlankTokens Marks = new()
    {
        Mask = 4, SentenceMask = 5, DocumentMask = 6, Start = 7, End = 8, Cls = Start, EndOfText = End, Sep = End, Pad = End,
    };

    [TestMethod]
    public void ShortBlanksAreAsLongAsPoissonSays()
    {
        var random = new SplitMix64(1);
        int[] counts = new int[BlankLengths.Longest + 1];
        // The last of a draw is longer than others, as the longer are likelier to be the one that reaches the sum: single lengths show the distribution.
        for (int i = 0; i < 100_000; i++)
            counts[BlankLengths.Draw(1, 1000, random)[0]]++;
        double all = BlankLengths.Weights.Sum();
        for (int length = 1; length <= 10; length++)
        {
            double share = BlankLengths.Weights[length - 1] / all;
            Assert.AreEqual(share, counts[length] / 100_000.0, 5 * Error(share, 100_000), $"length {length}");
        }
        Assert.AreEqual(0, counts[0]);
    }

    [TestMethod]
    public void ShortBlanksTakeTheirShareAndLittleMore()
    {
        var taken = new List<int>();
        foreach (BlankedText row in Draw(new(1, 0, 0), Text(200)))
        {
            int missing = row.Tokens.Length - row.Separator - PiecesOf(row);
            // 15 % of 202 tokens; the last blank may go beyond by all but one of its tokens.
            Assert.IsInRange(30, 30 + BlankLengths.Longest - 1, missing);
            Assert.AreEqual(PiecesOf(row), row.Tokens.Count(id => id == Marks.Mask));
            taken.Add(missing);
        }
        // What goes beyond is, of a length drawn until a sum is reached, about (E[l²] / E[l] - 1) / 2.
        double mean = BlankLengths.Weights.Select((weight, i) => weight * (i + 1)).Sum(), square = BlankLengths.Weights.Select((weight, i) => weight * (i + 1) * (i + 1)).Sum();
        Assert.AreEqual(30 + ((square / mean) - 1) / 2, taken.Average(), 5 * 2.0 / Math.Sqrt(Rows));
    }

    [TestMethod]
    public void EveryPlaceIsAsLikely()
    {
        // One blank of two tokens among ten: nine places.
        var random = new SplitMix64(2);
        int[] counts = new int[9];
        for (int i = 0; i < 90_000; i++)
            counts[BlankPlaces.Draw([2], 0, 10, random)[0].Start]++;
        foreach (int count in counts)
            Assert.AreEqual(1 / 9.0, count / 90_000.0, 5 * Error(1 / 9.0, 90_000));
    }

    [TestMethod]
    public void ATokenStaysBetweenTwoBlanks()
    {
        var random = new SplitMix64(3);
        for (int i = 0; i < 1000; i++)
        {
            Blank[] blanks = BlankPlaces.Draw([3, 1, 4], 1, 10, random);
            Assert.IsTrue(blanks.Zip(blanks.Skip(1)).All(pair => pair.First.End < pair.Second.Start), string.Join(", ", blanks));
            Assert.IsLessThanOrEqualTo(11, blanks[^1].End);
        }
    }

    [TestMethod]
    public void PiecesComeInAnyOrder()
    {
        int later = Draw(new(1, 0, 0), Text(100)).Count(row => row.Positions[row.Separator] > row.Positions[^1]);
        Assert.AreEqual(0.5, later / (double)Rows, 5 * Error(0.5, Rows));
    }

    [TestMethod]
    public void SentencesAreWholeUntilTheirShare()
    {
        // Ten sentences of ten tokens: two are the 15 % of 102 tokens.
        int[] text = [Start, .. Enumerable.Range(0, 100).Select(i => i % 10 == 9 ? Stop : FirstWord + i), End];
        int[] seen = new int[10];
        foreach (BlankedText row in Draw(new(0, 1, 0), text))
        {
            Assert.AreEqual(2, row.Tokens.Count(id => id == Marks.SentenceMask));
            int[] starts = [.. Enumerable.Range(row.Separator, row.Tokens.Length - row.Separator).Where(i => row.Tokens[i] == Marks.Start)];
            foreach (int start in starts)
            {
                Assert.AreEqual(0, (row.Targets[start] - FirstWord) % 10);
                Assert.AreEqual(Stop, row.Targets[start + 9]);
                Assert.AreEqual(Marks.End, row.Targets[start + 10]);
                seen[(row.Targets[start] - FirstWord) / 10]++;
            }
        }
        foreach (int count in seen)
            Assert.AreEqual(0.2, count / (double)Rows, 5 * Error(0.2, Rows));
    }

    [TestMethod]
    public void ADocumentLosesHalfOrMore()
    {
        var shares = new List<double>();
        int tails = 0;
        foreach (BlankedText row in Draw(new(0, 0, 1), Text(200)))
        {
            Assert.AreEqual(1, row.Tokens.Count(id => id == Marks.DocumentMask));
            bool isTail = row.Targets[^1] == End;
            int missing = row.Tokens.Length - row.Separator - (isTail ? 0 : 1);
            Assert.IsInRange(0.5, 1, missing / (isTail ? 201.0 : 200.0));
            shares.Add(missing / 200.0);
            tails += isTail ? 1 : 0;
        }
        // Uniform over half of the length: its deviation is 0.5 / √12.
        Assert.AreEqual(0.75, shares.Average(), 5 * 0.5 / Math.Sqrt(12 * Rows) + 1 / 200.0);
        Assert.AreEqual(0.5, shares.Count(share => share < 0.75) / (double)Rows, 5 * Error(0.5, Rows) + 0.01);
        Assert.AreEqual(0.5, tails / (double)Rows, 5 * Error(0.5, Rows));
    }

    [TestMethod]
    public void KindsComeBySharesOfRows()
    {
        var shares = new BlankShares(0.5, 0.2, 0.3);
        int[] text = [Start, .. Enumerable.Range(0, 60).Select(i => i % 10 == 9 ? Stop : FirstWord + i), End];
        BlankedText[] rows = [.. Draw(shares, text)];
        AssertShare(shares.Tokens, Marks.Mask);
        AssertShare(shares.Sentences, Marks.SentenceMask);
        AssertShare(shares.Document, Marks.DocumentMask);

        void AssertShare(double share, int mask) =>
            Assert.AreEqual(share, rows.Count(row => row.Tokens.Contains(mask)) / (double)Rows, 5 * Error(share, Rows));
    }

    [TestMethod]
    public void ATextOfOneSentenceLosesTokensInstead()
    {
        BlankedText row = new BlankDraws(new(0, 1, 0), Marks, new([Stop])).Draw(Text(20), 1);
        Assert.Contains(Marks.Mask, row.Tokens);
        Assert.DoesNotContain(Marks.SentenceMask, row.Tokens);
    }

    [TestMethod]
    public void ShortTextsLoseWhatTheyHave()
    {
        for (int words = 1; words < 12; words++)
        {
            foreach (BlankedText row in Draw(new(1, 0, 0), Text(words), rows: 200))
            {
                Assert.AreEqual(Start, row.Tokens[0]);
                Assert.AreEqual(End, row.Tokens[row.Separator - 1]);
                Assert.IsGreaterThan(0, PiecesOf(row));
            }
        }
    }

    [TestMethod]
    public void TheSameStreamDrawsTheSame()
    {
        var draws = new BlankDraws(new(0.5, 0, 0.5), Marks, new([Stop]));
        BlankedText first = draws.Draw(Text(50), 5), again = draws.Draw(Text(50), 5), other = draws.Draw(Text(50), 6);
        CollectionAssert.AreEqual(first.Tokens, again.Tokens);
        CollectionAssert.AreEqual(first.Positions, again.Positions);
        CollectionAssert.AreNotEqual(first.Tokens, other.Tokens);
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void ATextWithoutWordsHasNoBlank(bool hasEnd)
    {
        int[] text = hasEnd ? [Start, End] : [Start];
        foreach (BlankShares shares in new BlankShares[] { new(1, 0, 0), new(0, 1, 0), new(0, 0, 1) })
            CollectionAssert.AreEqual(text, new BlankDraws(shares, Marks, new([Stop])).Draw(text, 1).Tokens);
    }

    [TestMethod]
    [DataRow(0.5, 0.2, 0.2)]
    [DataRow(1.2, 0, -0.2)]
    [DataRow(double.NaN, 0.5, 0.5)]
    public void SharesThatDoNotAddUpAreRefused(double tokens, double sentences, double document) =>
        Assert.Contains("1 together", Assert.ThrowsExactly<ArgumentException>(() => new BlankShares(tokens, sentences, document).Check()).Message);

    [TestMethod]
    [DataRow(3, 9, "does not lie in a text of 8 tokens")]
    [DataRow(-1, 2, "does not lie in a text of 8 tokens")]
    [DataRow(4, 4, "does not lie in a text of 8 tokens")]
    [DataRow(2, 4, "overlaps one that ends at 3")]
    public void BlanksThatDoNotFitAreRefused(int start, int end, string expected)
    {
        Blank[] blanks = start == 2 ? [new(1, 3), new(start, end)] : [new(start, end)];
        Assert.Contains(expected, Assert.ThrowsExactly<ArgumentException>(() => BlankedText.Of(Text(6), blanks, Marks.Mask, Marks)).Message);
    }

    [TestMethod]
    public void AnEndLongerThanTheTextIsRefused() =>
        Assert.Contains("does not lie", Assert.ThrowsExactly<ArgumentException>(() => BlankedText.Tail(Text(6), 9, Marks.DocumentMask, Marks)).Message);

    [TestMethod]
    public void SeveralEndsAreOfOneSentence()
    {
        Blank[] found = [.. new Sentences([Stop]).In([Start, 10, 11, Stop, Stop, 12, Stop, 13, End], 1, 8)];
        CollectionAssert.AreEqual(new Blank[] { new(1, 5), new(5, 7), new(7, 8) }, found);
    }

    private static int[] Text(int words) => [Start, .. Enumerable.Range(FirstWord, words), End];

    private static IEnumerable<BlankedText> Draw(BlankShares shares, int[] text, int rows = Rows)
    {
        var draws = new BlankDraws(shares, Marks, new([Stop]));
        var random = new SplitMix64(11);
        for (int i = 0; i < rows; i++)
            yield return draws.Draw(text, random.NextInt64());
    }

    private static int PiecesOf(BlankedText row) => row.Tokens.Count(id => id == Marks.Start);

    private static double Error(double share, int draws) => Math.Sqrt(share * (1 - share) / draws);
}
