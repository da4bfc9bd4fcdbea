using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Interop;

/// <summary>Tensors over memory that is not libtorch's, and the addresses of tensors that are.</summary>
internal static unsafe partial class NativeTensor
{
    public delegate void SpanVisitor(ReadOnlySpan<byte> bytes);

    // LibTorchSharp's own dependencies are found by TorchSharp's loader, which must have run before the imports below.
    static NativeTensor() => InitializeDeviceType(DeviceType.CPU);

    /// <summary>A CPU tensor over <paramref name="data"/>; <paramref name="released"/> gets the address when the last user is gone.</summary>
    public static Tensor Wrap(nint data, ScalarType type, ReadOnlySpan<long> shape, delegate* unmanaged[Cdecl]<nint, void> released)
    {
        fixed (long* sizes = shape)
        {
            nint handle = THSTensor_new(data, released, sizes, shape.Length, (sbyte)type, (sbyte)type, (int)DeviceType.CPU, -1, 0);
            if (handle == 0)
                CheckForErrors();
            return Tensor.UnsafeCreateTensor(handle);
        }
    }

    /// <summary>Where the elements of a contiguous CPU tensor lie, which the caller keeps; kernels take <see cref="Elements{T}"/>.</summary>
    public static byte* Address(Tensor tensor) => (byte*)THSTensor_data(tensor.Handle);

    /// <summary>Makes dense CPU floats zeros, without a tensor operation.</summary>
    public static void Clear(Tensor floats)
    {
        Elements<float> elements = floats;
        NativeMemory.Clear(elements.Address, (nuint)(floats.numel() * sizeof(float)));
        elements.KeepAlive();
    }

    /// <summary>The tensor, or a contiguous copy.</summary>
    public static Tensor Dense(Tensor tensor) => tensor.is_contiguous() ? tensor : tensor.contiguous();

    /// <summary>Floats on the CPU that hold anything yet.</summary>
    public static Tensor Empty(params long[] shape) => empty(shape, ScalarType.Float32, CPU);

    /// <summary>The same of [..., <paramref name="width"/>] for <paramref name="like"/> [..., any].</summary>
    public static Tensor Empty(Tensor like, long width) => like.dim() switch
    {
        // By single sizes, since TorchSharp makes much of a whole shape.
        2 => empty(like.size(0), width, ScalarType.Float32, CPU),
        3 => empty(like.size(0), like.size(1), width, ScalarType.Float32, CPU),
        _ => Empty([.. like.Sizes()[..^1], width]),
    };

    /// <summary>Hands out the bytes of any tensor piece by piece, from a copy where it lies elsewhere or is not contiguous.</summary>
    public static void VisitBytes(Tensor tensor, SpanVisitor visit)
    {
        const int Piece = 1 << 20;
        using Tensor plain = tensor.detach();
        using Tensor host = plain.cpu();
        using Tensor dense = host.contiguous();
        byte* data = Address(dense);
        long bytes = dense.numel() * dense.dtype.ElementSize();
        for (long at = 0; at < bytes; at += Piece)
            visit(new(data + at, (int)Math.Min(Piece, bytes - at)));
    }

    [LibraryImport("LibTorchSharp")]
    private static partial nint THSTensor_new(nint data, delegate* unmanaged[Cdecl]<nint, void> deleter, long* sizes, int count,
        sbyte scalarType, sbyte dtype, int deviceType, int deviceIndex, byte requiresGrad);

    [LibraryImport("LibTorchSharp")]
    private static partial nint THSTensor_data(nint handle);
}
