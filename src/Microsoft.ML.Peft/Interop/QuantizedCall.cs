using System.Runtime.InteropServices;

namespace Microsoft.ML.Peft.Interop;

/// <summary><c>peft_quantized</c> of <c>src/Native/peft_native.h</c>, field by field.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct QuantizedCall
{
    public long Rows, Columns, Block;
    public int Bits;
    public float ScaleOffset;
    public byte* Codes;
    public float* Levels, Scales;
    public byte* ScaleCodes;
    public float* ScaleLevels;
    public nint Sgemm;
}
