using System.IO.MemoryMappedFiles;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Interop;

/// <summary>
/// A mapped file, and tensors over it without a copy: a range of a given file, whose changes stay the process's own, or a
/// temporary file. It is unmapped when it has been disposed and the last such tensor is gone. Whoever uses its memory is
/// registered first, under the lock that closing takes: there is no address of a file that may be closed meanwhile.
/// </summary>
internal sealed unsafe class MappedFile : IDisposable
{
    // libtorch's deleter gets nothing but the address: who owns it, and how many tensors start there, is kept here.
    private static readonly Dictionary<nint, (MappedFile Owner, int Tensors)> s_live = [];

    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly byte* _start;
    private int _users = 1;
    private bool _disposed;

    private MappedFile(MemoryMappedFile file, MemoryMappedViewAccessor view, long length)
    {
        _file = file;
        _view = view;
        Length = length;
        byte* page = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref page);
        _start = page + view.PointerOffset;
    }

    // The view's own finalizer does not unmap while a pointer is out.
    ~MappedFile() => Close();

    /// <summary>How many tensors still hold mappings; for tests of lifetimes.</summary>
    public static int LiveTensors
    {
        get { lock (s_live) return s_live.Values.Sum(entry => entry.Tensors); }
    }

    public long Length { get; }

    /// <summary>Maps <paramref name="length"/> bytes from <paramref name="offset"/>.</summary>
    public static MappedFile Open(string path, long offset, long length)
    {
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
        MemoryMappedFile? file = null;
        try
        {
            if (length <= 0 || offset < 0 || offset > stream.Length - length)
                throw new InvalidDataException(
                    $"{path}: expected {length} bytes (at least one) at offset {offset}, found a file of {stream.Length} bytes.");
            file = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.CopyOnWrite, HandleInheritability.None, leaveOpen: false);
            return new(file, file.CreateViewAccessor(offset, length, MemoryMappedFileAccess.CopyOnWrite), length);
        }
        catch
        {
            file?.Dispose();
            stream.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Maps a temporary file of zeros, which goes with the mapping: memory that the system may keep on the disk instead.
    /// </summary>
    /// <exception cref="IOException">The disk of the temporary folder has no such room; the message names the folder.</exception>
    public static MappedFile CreateTemporary(string purpose, long length)
    {
        SafeFileHandle? handle = null;
        MemoryMappedFile? file = null;
        try
        {
            handle = TemporaryFile.Create(purpose, length);
            file = MemoryMappedFile.CreateFromFile(handle, null, length, MemoryMappedFileAccess.ReadWrite, HandleInheritability.None, leaveOpen: false);
            return new(file, file.CreateViewAccessor(0, length, MemoryMappedFileAccess.ReadWrite), length);
        }
        catch (Exception e)
        {
            file?.Dispose();
            handle?.Dispose();
            throw new IOException($"The temporary folder {Path.GetTempPath()} does not take a file of {length} bytes ({purpose}): {e.Message}", e);
        }
    }

    /// <summary>Keeps the mapping while its bytes are read, by one thread or several.</summary>
    /// <exception cref="ObjectDisposedException">The file was disposed.</exception>
    public Reading Read() => new(this);

    /// <summary>A copy of some bytes.</summary>
    /// <exception cref="ObjectDisposedException">The file was disposed.</exception>
    public byte[] Bytes(long offset, int count)
    {
        using Reading reading = Read();
        return reading.Span(offset, count).ToArray();
    }

    /// <summary>A tensor over the bytes at <paramref name="offset"/>; copied only where they are not aligned for their type.</summary>
    /// <exception cref="ObjectDisposedException">The file was disposed.</exception>
    public Tensor Tensor(long offset, ScalarType type, ReadOnlySpan<long> shape)
    {
        long bytes = type.ElementSize();
        foreach (long size in shape)
            bytes = checked(bytes * size);
        CheckRange(offset, bytes);
        byte* data = _start + offset;
        if (bytes == 0 || (nint)data % type.ElementSize() != 0)
        {
            using Reading reading = Read();
            return Copy(data, bytes, type, shape);
        }
        Register((nint)data);
        try
        {
            return NativeTensor.Wrap((nint)data, type, shape, &Released);
        }
        catch
        {
            Unregister((nint)data);
            throw;
        }
    }

    public void Dispose()
    {
        Close();
        GC.SuppressFinalize(this);
    }

    private void Close()
    {
        lock (s_live)
        {
            if (_disposed)
                return;
            _disposed = true;
            Release();
        }
    }

    private static Tensor Copy(byte* data, long bytes, ScalarType type, ReadOnlySpan<long> shape)
    {
        Tensor copy = empty(shape.ToArray(), type, CPU);
        Buffer.MemoryCopy(data, NativeTensor.Address(copy), bytes, bytes);
        return copy;
    }

    private void CheckRange(long offset, long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Length - count);
    }

    private void Register(nint data)
    {
        lock (s_live)
        {
            Enter();
            s_live[data] = (this, s_live.TryGetValue(data, out var entry) ? entry.Tensors + 1 : 1);
        }
    }

    private static void Unregister(nint data)
    {
        lock (s_live)
        {
            var (owner, tensors) = s_live[data];
            if (tensors == 1)
                s_live.Remove(data);
            else
                s_live[data] = (owner, tensors - 1);
            owner.Release();
        }
    }

    // Under the lock, as Release.
    private void Enter()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _users++;
    }

    private void Release()
    {
        if (--_users > 0)
            return;
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        // Unmapped before the view is disposed, which would first write all of a temporary file to the disk.
        _view.SafeMemoryMappedViewHandle.Dispose();
        _view.Dispose();
        _file.Dispose();
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Released(nint data) => Unregister(data);

    /// <summary>A use of the bytes, during which they stay mapped.</summary>
    public sealed class Reading : IDisposable
    {
        private readonly MappedFile _owner;
        private bool _ended;

        internal Reading(MappedFile owner)
        {
            _owner = owner;
            lock (s_live)
                owner.Enter();
        }

        public long Length => _owner.Length;

        /// <summary>Bytes of the mapping; valid until <see cref="Dispose"/>.</summary>
        public ReadOnlySpan<byte> Span(long offset, int count)
        {
            ObjectDisposedException.ThrowIf(_ended, this);
            _owner.CheckRange(offset, count);
            return new(_owner._start + offset, count);
        }

        public void Dispose()
        {
            lock (s_live)
            {
                if (_ended)
                    return;
                _ended = true;
                _owner.Release();
            }
        }
    }
}
