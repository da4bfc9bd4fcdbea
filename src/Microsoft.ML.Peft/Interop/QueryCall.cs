using System.Runtime.InteropServices;

namespace Microsoft.ML.Peft.Interop;

/// <summary><c>peft_query</c> of <c>src/Native/peft_native.h</c>, field by field.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct QueryCall
{
    public long Batch, Heads, Groups, Keys, Size, BatchStride, GroupStride, MaskBatch;
    public float* Query, Key, Value, Mask;
}
