using Microsoft.ML.Peft.Generation;

namespace Microsoft.ML.Peft.Tests.Generation;

[TestClass]
public sealed class BeamSearchTests
{
    private const int Vocabulary = 4, Length = 4, End = 0;

    [TestMethod]
    [DataRow(1.0)]
    [DataRow(0.0)]
    [DataRow(2.0)]
    public void WithABeamForEverySequenceItFindsTheBestOfAll(double lengthPenalty)
    {
        for (int seed = 0; seed < 5; seed++)
        {
            var options = new GenerationOptions
            {
                NumBeams = 256, MaxNewTokens = Length, LengthPenalty = lengthPenalty, EosTokenIds = [End], EarlyStopping = BeamEarlyStopping.Never, NumReturnSequences = 3,
            };
            var found = TextGenerator.Generate(Session(seed), [[1]], GenerationSettings.Resolve(options))[0];
            var best = Every([1], 0, seed).Select(s => (s.Ids, Score: s.Sum / Math.Pow(s.Ids.Length, lengthPenalty))).OrderByDescending(s => s.Score).Take(3).ToArray();
            for (int i = 0; i < best.Length; i++)
            {
                CollectionAssert.AreEqual(best[i].Ids, found[i].Ids, $"seed {seed}, sequence {i}");
                Assert.AreEqual(best[i].Score, found[i].Score!.Value, 1e-5);
                Assert.AreEqual(best[i].Ids[^1] == End ? FinishReason.EndToken : FinishReason.Length, found[i].End);
            }
        }
    }

    [TestMethod]
    [DataRow(BeamEarlyStopping.Likely)]
    [DataRow(BeamEarlyStopping.WhenFull)]
    [DataRow(BeamEarlyStopping.Never)]
    public void APromptGivesTheSameAloneAndInABatch(BeamEarlyStopping stopping)
    {
        var options = new GenerationOptions { NumBeams = 3, NumReturnSequences = 2, MaxNewTokens = 12, EosTokenIds = [End], EarlyStopping = stopping, RepetitionPenalty = 1.2 };
        int[][] prompts = [[1], [2, 3, 1], [3, 3]];
        int[][] together = Making.Ids(Session(9), options, prompts);
        int[][] alone = [.. prompts.SelectMany(prompt => Making.Ids(Session(9), options, prompt))];
        Assert.HasCount(6, together);
        for (int i = 0; i < alone.Length; i++)
            CollectionAssert.AreEqual(alone[i], together[i], $"sequence {i}");
    }

    [TestMethod]
    public void AGroupThatIsDoneLeavesTheBatch()
    {
        // After 1 the end is nearly certain; after 2 it never comes.
        var session = TableSession.Bigrams([[0, 0, 9], [20, 0, 0], [-20, 0, 3]]);
        Making.Ids(session, new() { NumBeams = 2, MaxNewTokens = 6, EosTokenIds = [End], EarlyStopping = BeamEarlyStopping.WhenFull }, [1], [2]);
        Assert.AreEqual(2, session.RowsRead[0]);
        Assert.AreEqual(2, session.RowsRead[^1], "rows of the group that goes on");
        Assert.IsTrue(session.RowsRead.Contains(4));
    }

    private static TableSession Session(long seed) => new(tokens => Making.Random(tokens, Vocabulary, seed));

    // All finished sequences: those that end, and those of full length.
    private static IEnumerable<(int[] Ids, double Sum)> Every(int[] tokens, double sum, long seed)
    {
        float[] logits = Making.Random(tokens, Vocabulary, seed);
        double total = Math.Log(logits.Sum(l => Math.Exp(l)));
        for (int next = 0; next < Vocabulary; next++)
        {
            int[] longer = [.. tokens, next];
            double score = sum + logits[next] - total;
            if (next == End || longer.Length == 1 + Length)
                yield return (longer[1..], score);
            else
                foreach (var found in Every(longer, score, seed))
                    yield return found;
        }
    }
}
