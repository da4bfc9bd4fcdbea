using TorchSharp;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>Compares live tensors and memory early in a long run with those late in it.</summary>
/// <param name="slack">Bytes that the allocators may hold late and did not early.</param>
public sealed class MemoryWatch(long slack)
{
    private readonly List<(long Tensors, long Bytes)> _notes = [];

    /// <summary>Takes a note; garbage, other tests' too, is collected first. Ten or more are wanted.</summary>
    public void Note()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        _notes.Add((torch.Tensor.TotalCount, ProcessMemory.Anonymous()));
    }

    /// <summary>What is kept grows from note to note, what allocators hold goes up and down: the least of either half is compared.</summary>
    /// <exception cref="AssertFailedException">Something was kept.</exception>
    public void CheckFlat()
    {
        Assert.IsGreaterThanOrEqualTo(10, _notes.Count);
        var (early, late) = (_notes[(_notes.Count / 10)..(_notes.Count / 2)], _notes[(_notes.Count / 2)..]);
        Assert.AreEqual(early[0].Tensors, late[^1].Tensors, "live tensors");
        Assert.IsLessThan(early.Min(note => note.Bytes) + slack, late.Min(note => note.Bytes), "memory of no file");
    }
}
