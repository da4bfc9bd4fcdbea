using System.Runtime.InteropServices;

namespace Microsoft.ML.Peft.Interop;

/// <summary><c>peft_attention</c> of <c>src/Native/peft_native.h</c>, field by field.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct AttentionCall
{
    public long Batch, Heads, Queries, Keys, Size;
    public float* Query, Key, Value, Mask;
    public long MaskBatch, MaskHead, MaskQuery;
    public double Rate;
    public ulong Seed;
    public nint Sgemm;
}
