using System.Runtime.InteropServices.Marshalling;

namespace Microsoft.ML.Peft.Interop;

/// <summary>What kernels that need memory of their own return: true where the work is done, false where they do not take such a call.</summary>
[CustomMarshaller(typeof(bool), MarshalMode.ManagedToUnmanagedOut, typeof(KernelResult))]
internal static class KernelResult
{
    private const int NoMemory = -1;

    /// <exception cref="OutOfMemoryException">The kernel got no memory, and did nothing.</exception>
    public static bool ConvertToManaged(int result) =>
        result == NoMemory ? throw new OutOfMemoryException($"{NativeLibraryLoader.Name} got no memory to work in.") : result != 0;
}
