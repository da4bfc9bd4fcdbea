using Microsoft.ML.Peft.Interop;

namespace Microsoft.ML.Peft.Training.Estimates;

/// <summary>The blocks that a step takes and gives back, in order. What it does not give back is the gradients.</summary>
internal sealed record AllocationTrace(IReadOnlyList<AllocationEvent> Events)
{
    /// <summary>What a step of another size would do: the same with blocks of other sizes, where all do the same.</summary>
    /// <param name="traces">Steps of several sizes.</param>
    /// <param name="extrapolate">From bytes in each of them to those in the other step; and whether they are sums of blocks.</param>
    public static AllocationTrace From(IReadOnlyList<AllocationTrace> traces, Func<IReadOnlyList<double>, bool, double> extrapolate)
    {
        bool alike = traces.All(traces[0].Resembles);
        if (!alike)
            traces = [.. traces.Select(trace => trace.Summary())];
        return new([.. traces[0].Events.Select((e, i) => e.Bytes == 0 ? e
            : e with { Bytes = Math.Max(1, (long)extrapolate([.. traces.Select(trace => (double)trace.Events[i].Bytes)], !alike)) })]);
    }

    /// <summary>What comes of two steps one after the other.</summary>
    /// <param name="next">The second.</param>
    /// <param name="held">What is there during the second.</param>
    public AllocationTrace Then(AllocationTrace next, long held)
    {
        int shift = Events.Select(e => e.Block + 1).DefaultIfEmpty().Max();
        return new([.. Events, new(shift, Math.Max(1, held)), .. next.Events.Select(e => e with { Block = e.Block + shift + 1 }), new(shift, 0)]);
    }

    /// <summary>Takes and gives back as the step does, and gives what it keeps.</summary>
    public IReadOnlyList<HeapBlock> Replay(HeapMeter meter)
    {
        var blocks = new SortedDictionary<int, HeapBlock>();
        foreach (var (block, bytes) in Events)
        {
            if (bytes > 0)
                blocks.Add(block, meter.Take(bytes));
            else if (blocks.Remove(block, out HeapBlock given))
                meter.Give(given);
        }
        return [.. blocks.Values];
    }

    /// <summary>The most that the step has at a time.</summary>
    public long Peak => Sizes().Peak;

    /// <summary>The most that the step has at a time besides what it keeps.</summary>
    public long PeakBesidesKept
    {
        get
        {
            var given = Events.Where(e => e.Bytes == 0).Select(e => e.Block).ToHashSet();
            return new AllocationTrace([.. Events.Where(e => given.Contains(e.Block))]).Peak;
        }
    }

    private bool Resembles(AllocationTrace other) => Events.Count == other.Events.Count
        && Events.Zip(other.Events).All(pair => pair.First.Block == pair.Second.Block && pair.First.Bytes > 0 == pair.Second.Bytes > 0);

    private (long Peak, long Kept) Sizes()
    {
        var meter = new HeapMeter(new CountedHeap());
        long kept = Replay(meter).Sum(block => block.Bytes);
        return (meter.Peak, kept);
    }

    // As if there were two blocks.
    private AllocationTrace Summary()
    {
        var (peak, kept) = Sizes();
        return new([new(0, Math.Max(1, peak - kept)), new(1, Math.Max(1, kept)), new(0, 0)]);
    }
}
