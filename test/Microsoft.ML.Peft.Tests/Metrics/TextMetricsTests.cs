using Microsoft.ML.Peft.Metrics;

namespace Microsoft.ML.Peft.Tests.Metrics;

/// <summary>What the parity cases do not reach: edges of the definitions, and bad input.</summary>
[TestClass]
public sealed class TextMetricsTests
{
    private const string Sentence = "the quick brown fox jumps";

    [TestMethod]
    public void TheSameTextScoresFull()
    {
        Assert.AreEqual(100, TextMetrics.Bleu([Sentence], [["another", Sentence]]).Score, 1e-9);
        Assert.AreEqual(new RougeScore(1, 1, 1), TextMetrics.Rouge([Sentence], [["another", Sentence]]));
        Assert.AreEqual(new SquadScore(1, 1), TextMetrics.Squad(["The  Fox!"], [["a dog", "fox"]]));
        // With one document every run of words stands in all of them and has no weight.
        Assert.AreEqual(10, TextMetrics.Cider([Sentence, "one two three four"], [[Sentence], ["one two three four"]]).Score, 1e-9);
        Assert.AreEqual(0, TextMetrics.Cider([Sentence], [[Sentence]]).Score);
    }

    [TestMethod]
    public void NothingInCommonScoresNothing()
    {
        Assert.AreEqual(0, TextMetrics.Bleu(["a b c d"], [["e f g h"]]).Score);
        Assert.AreEqual(0, TextMetrics.Bleu([""], [["e f g h"]]).Score);
        Assert.AreEqual(new RougeScore(0, 0, 0), TextMetrics.Rouge(["", "***"], [["a"], ["b"]]));
        Assert.AreEqual(new SquadScore(0, 0), TextMetrics.Squad(["cat"], [["dog"]]));
    }

    [TestMethod]
    public void ATextTooShortForAnOrderHasNoBleu() => Assert.AreEqual(0, TextMetrics.Bleu(["a b c"], [["a b c"]]).Score);

    [TestMethod]
    public void AMissedOrderIsSmoothed()
    {
        // 3 of 4 words, 1 of 3 pairs, then none: halved once and twice.
        BleuScore score = TextMetrics.Bleu(["a b x c"], [["a b c d"]]);
        double[] expected = [75, 100.0 / 3, 100 / (2 * 2.0), 100 / (4 * 1.0)];
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], score.Precisions[i], 1e-9);
        Assert.AreEqual(Math.Exp(expected.Average(Math.Log)), score.Score, 1e-9);
    }

    [TestMethod]
    [DataRow("Hello, world!", "Hello , world !")]
    [DataRow("It costs $3.50, or 1,000.", "It costs $ 3.50 , or 1,000 .")]
    [DataRow("a 2-3 score &amp; &quot;more&quot;", "a 2 - 3 score & \" more \"")]
    [DataRow("state-of-the-\nart <skipped>", "state-of-theart")]
    public void BleuReadsTextAs13a(string text, string words) => Assert.AreEqual(words, string.Join(' ', Bleu.Tokenize(text, lowercase: false)));

    [TestMethod]
    [DataRow("B-X I-X O I-X", "X:0-2 X:3-4")]
    [DataRow("I-X I-Y B-Y", "X:0-1 Y:1-2 Y:2-3")]
    [DataRow("S-X S-X B-X E-X I-X", "X:0-1 X:1-2 X:2-4 X:4-5")]
    [DataRow("B I O B", "_:0-2 _:3-4")]
    [DataRow("E-X E-X", "X:0-1 X:1-2")]
    public void SpansAreThoseOfSeqeval(string labels, string spans) =>
        Assert.AreEqual(spans, string.Join(' ', BioSpan.Read(labels.Split(' '))));

    [TestMethod]
    public void BadInputIsNamed()
    {
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => TextMetrics.Bleu(["a", "b"], [["a"]])).Message, "There are 2 texts, and 1 in 'references'");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => TextMetrics.Rouge(["a", "b"], [["a"], []])).Message, "Text 1");
        Assert.ThrowsExactly<ArgumentException>(() => TextMetrics.Squad([], []));
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => TextMetrics.Entities([["O", "O"]], [["O"]])).Message, "sentence 0");
    }
}
