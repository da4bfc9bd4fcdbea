using Microsoft.ML.VisionLanguage.Tasks;

namespace Microsoft.ML.VisionLanguage.Tests.Tasks;

[TestClass]
public sealed class RankingTests
{
    [TestMethod]
    [DataRow(new[] { 0.1f, 0.9f, 0.5f, 0.9f }, 3, new[] { 1, 3, 2 }, DisplayName = "of equal ones the earlier first")]
    [DataRow(new[] { 2f, 2f, 2f }, 2, new[] { 0, 1 }, DisplayName = "of equal ones the earlier alone")]
    [DataRow(new[] { -1f, -2f }, 5, new[] { 0, 1 }, DisplayName = "no more than there are")]
    [DataRow(new[] { float.NaN, -1f, float.NaN }, 2, new[] { 1 }, DisplayName = "NaN is no score")]
    [DataRow(new float[0], 2, new int[0], DisplayName = "none")]
    public void TheHighestComeFirst(float[] scores, int count, int[] expected) => CollectionAssert.AreEqual(expected, Ranking.Top(scores, count));

    [TestMethod]
    public void WhatIsMissingIsFilledUp() => CollectionAssert.AreEqual(new[] { 70, 10, -1 }, Ranking.Values([7, 1], 3, place => 10 * place, missing: -1));

    [TestMethod]
    public void ItIsWhatSortingGives()
    {
        var random = new Random(1);
        for (int run = 0; run < 200; run++)
        {
            float[] scores = [.. Enumerable.Range(0, random.Next(1, 40)).Select(_ => (float)random.Next(10))];
            int count = random.Next(1, 12);
            int[] expected = [.. Enumerable.Range(0, scores.Length).OrderByDescending(place => scores[place]).ThenBy(place => place).Take(count)];
            CollectionAssert.AreEqual(expected, Ranking.Top(scores, count));
        }
    }
}
