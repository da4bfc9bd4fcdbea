using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training.OptimizerStates;

/// <summary>
/// Mapped temporary files: the system keeps in memory what fits there, and the rest on the disk. The state of a GPU's weights
/// lies in the host's memory, pinned, and is at the GPU while a step uses it.
/// </summary>
internal sealed class PagedMemory : IStateMemory
{
    private const long SmallestFile = 16L << 20, Alignment = 64;

    private readonly List<MappedFile> _files = [];
    private long _used;

    public StateTensor Zeros(long[] shape, ScalarType type, Device device)
    {
        if (device.type == DeviceType.CPU)
            return new StateTensor(Mapped(shape, type), device);
        using Tensor plain = zeros(shape, type, CPU);
        return new StateTensor(plain.pin_memory(), device);
    }

    public void Dispose() => _files.ForEach(file => file.Dispose());

    private Tensor Mapped(long[] shape, ScalarType type)
    {
        long bytes = shape.Aggregate((long)type.ElementSize(), (size, length) => checked(size * length));
        if (_files.Count == 0 || _used + bytes > _files[^1].Length)
            AddFile(bytes);
        long start = _used;
        _used = (start + bytes + Alignment - 1) / Alignment * Alignment;
        return _files[^1].Tensor(start, type, shape);
    }

    // Files grow with the state, so that there are few of them.
    private void AddFile(long bytes)
    {
        long soFar = _files.Sum(file => file.Length);
        _files.Add(MappedFile.CreateTemporary("optimizer", Math.Max(bytes, Math.Max(SmallestFile, soFar / 4))));
        _used = 0;
    }
}
