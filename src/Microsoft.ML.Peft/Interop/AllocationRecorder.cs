using System.Runtime.InteropServices;
using TorchSharp;

namespace Microsoft.ML.Peft.Interop;

/// <summary>libtorch took a block of memory, or gave it back.</summary>
/// <param name="Block">The block's number, in the order in which they were taken.</param>
/// <param name="Bytes">Its size; 0 where it is given back.</param>
internal readonly record struct AllocationEvent(int Block, long Bytes);

/// <summary>
/// Notes what libtorch takes and gives back on this thread and those of its backward passes, to the byte. libtorch tells it to
/// whoever stands in the place of its profiler: an object of C++ with virtual functions, of which this builds the image. Nothing of the
/// process changes, and other threads are not heard. On Linux alone: the images of other compilers were never tried, and a wrong one would
/// end the process.
/// </summary>
internal sealed unsafe class AllocationRecorder : IDisposable
{
    // c10::DebugInfoKind::PROFILER_STATE
    private const byte ProfilerState = 2;

    // More than the class has: a function too many does no harm.
    private const int Functions = 16, ObjectBytes = 1024;

    private static readonly Lazy<Exports?> s_exports = new(Exports.Find);
    private static readonly Lazy<nint> s_functions = new(MakeFunctions);

    private readonly DeviceType _device;
    private readonly List<AllocationEvent> _events = [];
    private readonly Dictionary<nint, int> _blocks = [];
    private readonly nint* _image;
    private readonly GCHandle _handle;
    private int _taken;

    private AllocationRecorder(DeviceType device)
    {
        _device = device;
        _handle = GCHandle.Alloc(this);
        _image = (nint*)NativeMemory.AllocZeroed(ObjectBytes);
        (_image[0], _image[1]) = (s_functions.Value, GCHandle.ToIntPtr(_handle));
        s_exports.Value!.Begin(_image);
    }

    /// <summary>What happened so far.</summary>
    public IReadOnlyList<AllocationEvent> Events => _events;

    /// <summary>Listens until it is disposed, on the same thread; null where this libtorch tells nothing.</summary>
    /// <param name="device">Whose memory.</param>
    public static AllocationRecorder? Start(DeviceType device) => s_exports.Value is null ? null : new(device);

    public void Dispose()
    {
        s_exports.Value!.End();
        NativeMemory.Free(_image);
        _handle.Free();
    }

    // The functions of c10::MemoryReportingInfoBase: two destructors, then the report.
    private static nint MakeFunctions()
    {
        var functions = (nint*)NativeMemory.Alloc(Functions, (nuint)sizeof(nint));
        delegate* unmanaged<byte> yes = &Yes;
        delegate* unmanaged<nint*, nint, long, nuint, nuint, ushort, void> report = &Report;
        new Span<nint>(functions, Functions).Fill((nint)yes);
        functions[2] = (nint)report;
        return (nint)functions;
    }

    [UnmanagedCallersOnly]
    private static byte Yes() => 1;

    [UnmanagedCallersOnly]
    private static void Report(nint* image, nint address, long bytes, nuint allocated, nuint reserved, ushort device)
    {
        if (GCHandle.FromIntPtr(image[1]).Target is AllocationRecorder recorder && (DeviceType)(sbyte)device == recorder._device)
            recorder.Note(address, bytes);
    }

    private void Note(nint address, long bytes)
    {
        lock (_events)
        {
            if (bytes > 0)
            {
                _events.Add(new AllocationEvent(_taken, bytes));
                _blocks[address] = _taken++;
            }
            else if (_blocks.Remove(address, out int block))
            {
                _events.Add(new AllocationEvent(block, 0));
            }
        }
    }

    /// <summary>c10::ThreadLocalDebugInfo's functions.</summary>
    private sealed class Exports(nint push, nint pop)
    {
        private const string
            Push = "_ZN3c1020ThreadLocalDebugInfo5_pushENS_13DebugInfoKindESt10shared_ptrINS_13DebugInfoBaseEE",
            Pop = "_ZN3c1020ThreadLocalDebugInfo4_popENS_13DebugInfoKindE";

        public static Exports? Find() => OperatingSystem.IsLinux()
            && NativeLibrary.TryLoad("c10", typeof(torch).Assembly, null, out nint library)
            && NativeLibrary.TryGetExport(library, Push, out nint push) && NativeLibrary.TryGetExport(library, Pop, out nint pop)
            ? new Exports(push, pop) : null;

        public void Begin(nint* image)
        {
            // A shared pointer without a count owns nothing; C++ passes it by its address.
            nint* shared = stackalloc nint[2];
            (shared[0], shared[1]) = ((nint)image, 0);
            ((delegate* unmanaged<byte, nint*, void>)push)(ProfilerState, shared);
        }

        public void End() => ((delegate* unmanaged<byte, Returned>)pop)(ProfilerState);
    }

    /// <summary>Of a size that every calling convention returns through memory, as C++ returns a shared pointer.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 32)]
    private struct Returned;
}
