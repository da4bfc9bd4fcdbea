using Microsoft.ML.Peft.Layers;
using TorchSharp;

namespace Microsoft.ML.Peft.Tests.Layers;

[TestClass]
public sealed class ForwardLimitTests
{
    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void NoMoreThanTheLimitRunAtOnce(int most)
    {
        var limit = new ForwardLimit(DeviceType.CPU) { MaxConcurrentForwards = most };
        Assert.AreEqual(most, MostAtOnce(limit));
    }

    [TestMethod]
    public void ByDefaultTwoForEachCore()
    {
        Assert.AreEqual(2 * Environment.ProcessorCount, ForwardLimit.OfMachine);
        // Together with other models: one holds all turns, another one waits.
        var (first, second) = (new ForwardLimit(DeviceType.CPU), new ForwardLimit(DeviceType.CPU));
        IDisposable[] turns = [.. Enumerable.Range(0, ForwardLimit.OfMachine).Select(_ => first.Enter()!)];
        Task<IDisposable?> waiting = Task.Run(second.Enter);
        Assert.IsFalse(waiting.Wait(50));
        turns[0].Dispose();
        Assert.IsTrue(waiting.Wait(TimeSpan.FromMinutes(1)));
        foreach (IDisposable? turn in turns.Skip(1).Append(waiting.Result))
            turn!.Dispose();
    }

    [TestMethod]
    public void AGpuHasNoLimitUnlessOneIsSet()
    {
        Assert.IsNull(new ForwardLimit(DeviceType.CUDA).Enter());
        Assert.AreEqual(2, MostAtOnce(new ForwardLimit(DeviceType.CUDA) { MaxConcurrentForwards = 2 }));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new ForwardLimit(DeviceType.CPU) { MaxConcurrentForwards = 0 });
    }

    private static int MostAtOnce(ForwardLimit limit)
    {
        int running = 0, most = 0;
        var gate = new object();
        Thread[] threads = [.. Enumerable.Range(0, 8).Select(_ => new Thread(() =>
        {
            for (int i = 0; i < 10; i++)
            {
                using IDisposable? turn = limit.Enter();
                lock (gate)
                    most = Math.Max(most, ++running);
                Thread.Sleep(1);
                lock (gate)
                    running--;
            }
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        return most;
    }
}
