using Microsoft.ML.Peft.Generation;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Generation;

[TestClass]
public sealed class TokenSearchTests
{
    private static readonly float[] s_odds = [0.05f, 0.15f, 0.3f, 0.5f];

    [TestMethod]
    public void GreedyTakesTheLikeliest()
    {
        float[][] table = [[0, 1, 0], [0, 0, 1], [1, 0, 0]];
        CollectionAssert.AreEqual(new[] { 1, 2, 0, 1, 2 }, Making.One(TableSession.Bigrams(table), new() { MaxNewTokens = 5 }, 2, 0).Ids);
    }

    [TestMethod]
    public void ByDefaultThereAreTwentyNewTokens() => Assert.HasCount(20, Making.One(TableSession.Bigrams([[1]]), new(), 0).Ids);

    [TestMethod]
    public void AnEndTokenEndsARowAndTheBatchGoesOnWithoutIt()
    {
        // Each token is followed by the next smaller one; 0 ends.
        float[][] table = [.. Enumerable.Range(0, 6).Select(t => Enumerable.Range(0, 6).Select(n => n == t - 1 ? 1f : 0).ToArray())];
        TableSession session = TableSession.Bigrams(table);
        int[][] found = Making.Ids(session, new() { MaxNewTokens = 10, EosTokenIds = [0] }, [3], [5, 1], [5]);
        CollectionAssert.AreEqual(new[] { 2, 1, 0 }, found[0]);
        CollectionAssert.AreEqual(new[] { 0 }, found[1]);
        CollectionAssert.AreEqual(new[] { 4, 3, 2, 1, 0 }, found[2]);
        CollectionAssert.AreEqual(new[] { 3, 2, 2, 1, 1 }, session.RowsRead);
    }

    [TestMethod]
    public void AnEndTokenWaitsForTheMinimum()
    {
        float[][] table = [[5, 3, 0], [5, 3, 0], [5, 3, 0]];
        CollectionAssert.AreEqual(new[] { 1, 1, 0 }, Making.One(TableSession.Bigrams(table), new() { MinNewTokens = 2, EosTokenIds = [0] }, 2, 2).Ids);
        CollectionAssert.AreEqual(new[] { 1, 0 }, Making.One(TableSession.Bigrams(table), new() { MinLength = 3, EosTokenIds = [0] }, 2, 2).Ids);
    }

    [TestMethod]
    public void ARowSaysTheSameAloneAndInABatch()
    {
        var options = new GenerationOptions { DoSample = true, Seed = 7, MaxNewTokens = 12, NumReturnSequences = 2, TopP = 0.9, RepetitionPenalty = 1.1, NoRepeatNgramSize = 3, EosTokenIds = [4] };
        int[][] prompts = [[1, 2, 3], [5], [2, 2, 6, 1, 1]];
        int[][] together = Making.Ids(Session(), options, prompts);
        int[][] alone = [.. prompts.SelectMany(prompt => Making.Ids(Session(), options, prompt))];
        Assert.AreNotEqual(string.Join(' ', together[0]), string.Join(' ', together[1]), "two draws");
        for (int i = 0; i < alone.Length; i++)
            CollectionAssert.AreEqual(alone[i], together[i], $"sequence {i}");

        static TableSession Session() => new(tokens => Making.Random(tokens, 40, 3));
    }

    [TestMethod]
    public void DrawsFollowTheProbabilities()
    {
        float[] logits = [.. s_odds.Select(odds => MathF.Log(odds))];
        var options = new GenerationOptions { DoSample = true, Seed = 1, MaxNewTokens = 4000, TopK = 0 };
        int[] drawn = Making.One(new TableSession(_ => logits), options, 0).Ids;
        for (int token = 0; token < s_odds.Length; token++)
            Assert.AreEqual(s_odds[token], drawn.Count(id => id == token) / 4000.0, 0.025, $"token {token}");
    }

    [TestMethod]
    public void WhatIsNarrowedAwayIsNeverDrawn()
    {
        float[] logits = [.. s_odds.Select(odds => MathF.Log(odds))];
        var options = new GenerationOptions { DoSample = true, Seed = 1, MaxNewTokens = 500, TopK = 3, TopP = 0.8 };
        int[] drawn = Making.One(new TableSession(_ => logits), options, 0).Ids;
        CollectionAssert.AreEquivalent(new[] { 2, 3 }, drawn.Distinct().ToArray());
    }

    [TestMethod]
    public void ThePositionsOfTheModelEndARow()
    {
        GeneratedSequence found = Making.One(new TableSession(_ => [1, 0], maxLength: 8), new() { MaxNewTokens = 50 }, 0, 0, 0);
        Assert.HasCount(5, found.Ids);
        Assert.AreEqual(FinishReason.Length, found.End);
    }

    [TestMethod]
    public void PromptsThatDoNotFitAreNamed()
    {
        var session = new TableSession(_ => [1, 0], maxLength: 4);
        string tooLong = Assert.ThrowsExactly<ArgumentException>(() => Making.Ids(session, new(), [0], [0, 0, 0, 0, 0])).Message;
        StringAssert.Contains(tooLong, "Prompt 1 has 5 tokens and the model 4 positions");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Making.Ids(session, new(), [[]])).Message, "Prompt 0 is empty");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Making.Ids(session, new() { MaxLength = 2 }, [0, 0])).Message, "MaxLength is 2");
    }

    [TestMethod]
    public void CancellationEndsBeforeTheNextToken()
    {
        using var stop = new CancellationTokenSource();
        int steps = 0;
        var session = new TableSession(_ =>
        {
            if (++steps == 3)
                stop.Cancel();
            return [1, 0];
        });
        Assert.ThrowsExactly<OperationCanceledException>(() => TextGenerator.Generate(session, [[0]], GenerationSettings.Resolve(new()), token: stop.Token));
        Assert.AreEqual(3, steps);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void AThousandTokensKeepNoTensor(int beams)
    {
        long early = -1, late = -1;
        var session = new TableSession(tokens =>
        {
            early = tokens.Count == 100 ? Tensor.TotalCount : early;
            late = tokens.Count == 1000 ? Tensor.TotalCount : late;
            return Making.Random([tokens[^1]], 30, 1);
        });
        var options = new GenerationOptions { MaxNewTokens = 1000, NumBeams = beams, RepetitionPenalty = 1.1, DoSample = beams == 1, Seed = 1, TopP = beams == 1 ? 0.9 : null };
        long before = Tensor.TotalCount;
        Making.One(session, options, 0);
        Assert.AreNotEqual(-1, late);
        Assert.AreEqual(early, late);
        Assert.AreEqual(before, Tensor.TotalCount);
    }
}
