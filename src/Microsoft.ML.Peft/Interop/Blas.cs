using System.Runtime.InteropServices;
using TorchSharp;

namespace Microsoft.ML.Peft.Interop;

/// <summary>The matrix product of libtorch's own BLAS, for kernels that need small ones. Exported on Linux, where it is MKL's.</summary>
internal static class Blas
{
    private static readonly Lazy<nint> Function = new(Find);

    /// <summary>The address of <c>sgemm_</c> (32-bit integers); 0 where libtorch does not export it.</summary>
    public static nint Sgemm => Function.Value;

    private static nint Find()
    {
        torch.InitializeDeviceType(DeviceType.CPU);
        return OperatingSystem.IsLinux() && NativeLibrary.TryLoad("libtorch_cpu.so", out nint library)
            && NativeLibrary.TryGetExport(library, "sgemm_", out nint function) ? function : 0;
    }
}
