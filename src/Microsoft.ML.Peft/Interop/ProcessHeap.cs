using System.Runtime.InteropServices;

namespace Microsoft.ML.Peft.Interop;

/// <summary>Memory that blocks are taken from and given back to.</summary>
internal interface IHeap
{
    /// <summary>What it has of the system.</summary>
    long Held { get; }

    nint Take(long bytes);

    void Give(nint block, long bytes);
}

/// <summary>One that gives every block back to the system at once, and is only counted.</summary>
internal sealed class CountedHeap : IHeap
{
    public long Held { get; private set; }

    public nint Take(long bytes)
    {
        Held += bytes;
        return 0;
    }

    public void Give(nint block, long bytes) => Held -= bytes;
}

/// <summary>A block of a heap.</summary>
internal readonly record struct HeapBlock(nint Address, long Bytes);

/// <summary>Notes the most that a heap has held.</summary>
internal sealed class HeapMeter(IHeap heap)
{
    public long Peak { get; private set; } = heap.Held;

    public HeapBlock Take(long bytes)
    {
        var block = new HeapBlock(heap.Take(bytes), bytes);
        Peak = Math.Max(Peak, heap.Held);
        return block;
    }

    public void Give(HeapBlock block) => heap.Give(block.Address, block.Bytes);
}

/// <summary>The process's own, where it is glibc's: it keeps some of what is given back, and says how much it holds.</summary>
internal sealed partial class ProcessHeap : IHeap
{
    // As libtorch asks for its blocks.
    private const int Alignment = 64;

    private static readonly Lazy<bool> s_exists = new(Probe);

    // Blocks that the system refused.
    private long _refused;

    public static bool Exists => s_exists.Value;

    public static ProcessHeap Instance { get; } = new();

    public long Held
    {
        get
        {
            State state = Read();
            return (long)(state.Arena + state.Mapped) + _refused;
        }
    }

    /// <summary>Takes a block and writes nothing to it: of memory it costs next to none.</summary>
    public nint Take(long bytes)
    {
        if (Take(out nint block, Alignment, (nuint)bytes) == 0)
            return block;
        _refused += bytes;
        return 0;
    }

    public void Give(nint block, long bytes)
    {
        if (block == 0)
            _refused -= bytes;
        else
            Free(block);
    }

    private static bool Probe()
    {
        try
        {
            // musl has no libc.so.6, and a glibc before 2.33 no mallinfo2.
            return OperatingSystem.IsLinux() && Read().Arena > 0;
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            return false;
        }
    }

    [LibraryImport("libc.so.6", EntryPoint = "mallinfo2")]
    private static partial State Read();

    [LibraryImport("libc.so.6", EntryPoint = "posix_memalign")]
    private static partial int Take(out nint block, nuint alignment, nuint bytes);

    [LibraryImport("libc.so.6", EntryPoint = "free")]
    private static partial void Free(nint block);

    /// <summary>glibc's <c>struct mallinfo2</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct State
    {
        public nuint Arena, Free, FastFree, Maps, Mapped, Unused, FastBytes, Used, FreeBytes, Trimmable;
    }
}
