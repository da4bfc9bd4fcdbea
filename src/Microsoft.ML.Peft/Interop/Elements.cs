using System.Runtime.InteropServices.Marshalling;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Interop;

/// <summary>
/// What a kernel reads or writes: the elements of a tensor, which is checked and lives until the kernel is done; memory that the
/// caller holds fixed; or nothing.
/// </summary>
[NativeMarshalling(typeof(ElementsMarshaller<>))]
internal readonly unsafe struct Elements<T>
    where T : unmanaged
{
    private static readonly ScalarType s_type = TypeOf();

    private readonly Tensor? _tensor;
    private readonly T* _memory;

    private Elements(Tensor? tensor, bool dense)
    {
        _tensor = tensor;
        if (tensor is null)
            return;
        if (!IsOfType(tensor.dtype) || tensor.device_type != DeviceType.CPU || (dense && !tensor.is_contiguous()))
        {
            throw new InvalidOperationException(
                $"A kernel takes {(dense ? "dense " : "")}{s_type} on the CPU, found {tensor.dtype} [{string.Join(", ", tensor.Sizes())}] on {tensor.device}, "
                + $"strides {string.Join(", ", Enumerable.Range(0, (int)tensor.dim()).Select(tensor.stride))}.");
        }
        _memory = (T*)NativeTensor.Address(tensor);
    }

    private Elements(T* memory) => _memory = memory;

    public static implicit operator Elements<T>(Tensor? tensor) => new(tensor, dense: true);

    public static implicit operator Elements<T>(T* memory) => new(memory);

    /// <summary>Those of a tensor that need not be dense: the kernel is told its strides.</summary>
    public static Elements<T> Strided(Tensor? tensor) => new(tensor, dense: false);

    /// <summary>The first one; null for nothing. Valid until <see cref="KeepAlive"/>.</summary>
    public T* Address => _memory;

    /// <summary>Called when the kernel is done: until here the collector leaves the tensor alone.</summary>
    public void KeepAlive() => GC.KeepAlive(_tensor);

    // Codes are bytes, signed or not.
    private static bool IsOfType(ScalarType type) => type == s_type || (sizeof(T) == 1 && type is ScalarType.Byte or ScalarType.Int8);

    private static ScalarType TypeOf() => default(T) switch
    {
        float => ScalarType.Float32,
        byte => ScalarType.Byte,
        sbyte => ScalarType.Int8,
        long => ScalarType.Int64,
        ushort => ScalarType.BFloat16,
        _ => throw new NotSupportedException(typeof(T).Name),
    };
}

/// <summary>The address for the time of a call.</summary>
[CustomMarshaller(typeof(Elements<>), MarshalMode.ManagedToUnmanagedIn, typeof(ElementsMarshaller<>.Call))]
internal static unsafe class ElementsMarshaller<T>
    where T : unmanaged
{
    internal struct Call
    {
        private Elements<T> _elements;

        public void FromManaged(Elements<T> elements) => _elements = elements;

        public readonly T* ToUnmanaged() => _elements.Address;

        public readonly void Free() => _elements.KeepAlive();
    }
}
