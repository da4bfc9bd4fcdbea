using System.Runtime.InteropServices;

namespace Microsoft.ML.Peft.Interop;

/// <summary><c>peft_moment_8bit</c> of <c>src/Native/peft_native.h</c>, field by field.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct MomentCall
{
    public byte* Codes;
    public float* Scales, Levels, Bounds;
    public byte* Cells;
}
