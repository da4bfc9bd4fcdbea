using System.Collections.Concurrent;
using Microsoft.ML.Peft.TestSupport;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Estimators.Adapters;

/// <summary>Adapters come and go while many threads score.</summary>
[TestClass]
public sealed class AdapterThreadsTests
{
    private const int Threads = 64, Rounds = 24;

    private readonly AdapterFixture _it = new();

    [TestCleanup]
    public void Clean() => _it.Dispose();

    [TestMethod]
    public void SixtyFourThreadsGetNoWrongAnswer()
    {
        string[] folders = [_it.Train("a", "first"), _it.Train("b", "second text")];
        PeftAdapters adapters = _it.Transformer.Adapters;
        PeftAdapter moving = adapters.Load("moving", folders[0]), steady = adapters.Load("steady", folders[1]);
        float[] underA = _it.ScoresUnder(moving), underB = _it.ScoresUnder(steady);
        PeftTransformer routed = _it.Transformer.WithAdapterColumn("Adapter");
        _it.Scores(routed, _it.Routed("moving", "steady", "moving", ""));
        long tensors = LiveTensors.Settled();

        var failures = new ConcurrentBag<string>();
        using var stop = new CancellationTokenSource();
        Thread[] threads = [.. Enumerable.Range(0, Threads).Select(_ => new Thread(() => Score(routed, underA, underB, failures, stop.Token)))];
        Array.ForEach(threads, thread => thread.Start());
        for (int round = 0; round < Rounds; round++)
        {
            moving = adapters.Replace(moving, folders[(round + 1) % 2]);
            PeftAdapter passing = adapters.Load("passing", folders[0]);
            adapters.Activate(round % 2 == 0 ? passing : steady);
            if (round % 8 == 0)
            {
                adapters.Activate(steady);
                adapters.Remove(passing);
                continue;
            }
            adapters.Remove(passing);
        }
        stop.Cancel();
        Array.ForEach(threads, thread => Assert.IsTrue(thread.Join(TimeSpan.FromMinutes(1)), "a thread hangs"));
        Assert.IsTrue(failures.IsEmpty, string.Join(Environment.NewLine, failures.Distinct().Take(5)));
        Assert.AreEqual(tensors, LiveTensors.Settled(), "tensors of adapters that are gone");
    }

    [TestMethod]
    public void AMergeWaitsForCallsAndCallsForIt()
    {
        PeftAdapters adapters = _it.Transformer.Adapters;
        PeftAdapter trained = adapters["default"];
        float[] expected = _it.Scores();
        var failures = new ConcurrentBag<string>();
        using var stop = new CancellationTokenSource();
        Thread[] threads = [.. Enumerable.Range(0, 8).Select(_ => new Thread(() => Repeat(stop.Token, failures, () =>
            AdapterFixture.AreClose(expected, _it.Scores(), "merged or not"))))];
        Array.ForEach(threads, thread => thread.Start());
        for (int round = 0; round < Rounds; round++)
        {
            adapters.Merge(trained);
            adapters.Unmerge();
        }
        stop.Cancel();
        Array.ForEach(threads, thread => Assert.IsTrue(thread.Join(TimeSpan.FromMinutes(1)), "a thread hangs"));
        Assert.IsTrue(failures.IsEmpty, string.Join(Environment.NewLine, failures.Distinct().Take(5)));
    }

    [TestMethod]
    public async Task AMergesSampleRowsMayBeScoredByTheModelItself()
    {
        _it.Transformer.Adapters.Merge(_it.Transformer.Adapters["default"]);
        // To read them is to score them.
        IDataView rows = _it.Context.Data.FilterRowsByColumn(_it.Transformer.Transform(_it.Data), "Perplexity", lowerBound: 0);
        MergeReport report = await Task.Run(() => _it.Transformer.SaveMergedModel(_it.PathOf("merged"), options: new MergeOptions { SampleRows = rows }))
            .WaitAsync(TimeSpan.FromMinutes(1));
        Assert.IsLessThan(1e-3, report.Drift!.Largest);
    }

    // The moving adapter is one or the other, whole; never a part of each.
    private void Score(PeftTransformer routed, float[] underA, float[] underB, ConcurrentBag<string> failures, CancellationToken token) =>
        Repeat(token, failures, () =>
        {
            float[] scores = _it.Scores(routed, _it.Routed("moving", "steady", "moving", ""));
            AdapterFixture.AreClose([underB[1]], [scores[1]], "the steady one");
            float[] moved = [scores[0], scores[2]];
            Assert.IsTrue(AreClose([underA[0], underA[2]], moved) || AreClose([underB[0], underB[2]], moved), "the moving one is neither");
        });

    private static void Repeat(CancellationToken token, ConcurrentBag<string> failures, Action action)
    {
        while (!token.IsCancellationRequested && failures.IsEmpty)
        {
            try
            {
                action();
            }
            catch (Exception e)
            {
                failures.Add(e.ToString());
            }
        }
    }

    private static bool AreClose(float[] expected, float[] actual) => expected.Zip(actual).All(pair => Math.Abs(pair.First - pair.Second) <= 1e-4 * pair.First);
}
