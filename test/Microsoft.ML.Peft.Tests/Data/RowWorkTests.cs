using Microsoft.ML.Peft.Data;

namespace Microsoft.ML.Peft.Tests.Data;

[TestClass]
public sealed class RowWorkTests
{
    [TestMethod]
    public void EachRowIsDoneOnce()
    {
        var done = new int[200];
        using var work = new RowWork(done.Length, row => Interlocked.Increment(ref done[row]));
        work.Finish();
        Assert.IsTrue(done.All(times => times == 1));
    }

    [TestMethod]
    public void TheFirstRowThatFailsIsTold()
    {
        for (int round = 0; round < 50; round++)
        {
            var done = new int[100];
            using var work = new RowWork(done.Length, row =>
            {
                if (row % 30 == 29)
                    throw new InvalidDataException($"{row}");
                Interlocked.Increment(ref done[row]);
            });
            Assert.AreEqual("29", Assert.ThrowsExactly<InvalidDataException>(work.Finish).Message);
            Assert.AreEqual(29, done.Take(29).Sum());
        }
    }

    [TestMethod]
    public void WhoGivesUpWaitsForWhatRunsAndNoMore()
    {
        using var gate = new ManualResetEventSlim();
        int begun = 0, ended = 0;
        var work = new RowWork(1000, _ =>
        {
            Interlocked.Increment(ref begun);
            gate.Wait();
            Interlocked.Increment(ref ended);
        });
        SpinWait.SpinUntil(() => Volatile.Read(ref begun) > 0);
        var disposal = new Thread(work.Dispose);
        disposal.Start();
        Assert.IsFalse(disposal.Join(500));
        gate.Set();
        Assert.IsTrue(disposal.Join(TimeSpan.FromSeconds(20)));
        Assert.AreEqual(begun, ended);
        Assert.IsLessThanOrEqualTo(Environment.ProcessorCount, begun);
    }

    [TestMethod]
    public void OnePieceIsAheadAndNoneIsLeft()
    {
        var events = new List<string>();
        Pending<int> Begin(int i)
        {
            events.Add($"+{i}");
            return new Pending<int>(() => i, () => events.Add($"-{i}"));
        }

        CollectionAssert.AreEqual(new[] { 1, 2, 3 }, Enumerable.Range(1, 3).Select(Begin).OneAhead().Select(piece => piece.Finish()).ToArray());
        Assert.AreEqual("+1 +2 -1 +3 -2 -3", string.Join(' ', events));
        events.Clear();
        Assert.AreEqual(1, Enumerable.Range(1, 3).Select(Begin).OneAhead().First().Finish());
        Assert.AreEqual("+1 +2 -1 -2", string.Join(' ', events));
        events.Clear();
        // One that cannot begin gives up the one before it.
        Assert.ThrowsExactly<InvalidOperationException>(() => Enumerable.Range(1, 3).Select(i => i < 2 ? Begin(i) : throw new InvalidOperationException()).OneAhead().Count());
        Assert.AreEqual("+1 -1", string.Join(' ', events));
        Assert.IsEmpty(Enumerable.Empty<Pending<int>>().OneAhead());
    }
}
