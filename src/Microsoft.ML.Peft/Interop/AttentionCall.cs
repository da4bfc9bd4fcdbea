using System.Runtime.InteropServices;
using System.Runtime.InteropServices.Marshalling;

namespace Microsoft.ML.Peft.Interop;

/// <summary>Attention of many queries, as <c>peft_attention</c> of <c>src/Native/peft_native.h</c> has it.</summary>
[NativeMarshalling(typeof(Marshaller))]
internal struct AttentionCall
{
    public long Batch, Heads, Queries, Keys, Size;
    public Elements<float> Query, Key, Value, Mask;
    public long MaskBatch, MaskHead, MaskQuery;
    public double Scale, Rate;
    public ulong Seed;

    /// <summary>The struct of the header, field by field.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal unsafe struct Native
    {
        public long Batch, Heads, Queries, Keys, Size;
        public float* Query, Key, Value, Mask;
        public long MaskBatch, MaskHead, MaskQuery;
        public double Scale, Rate;
        public ulong Seed;
        public nint Sgemm;
    }

    [CustomMarshaller(typeof(AttentionCall), MarshalMode.ManagedToUnmanagedIn, typeof(Marshaller))]
    internal unsafe struct Marshaller
    {
        private AttentionCall _call;

        public void FromManaged(AttentionCall call) => _call = call;

        public readonly Native ToUnmanaged() => new()
        {
            Batch = _call.Batch, Heads = _call.Heads, Queries = _call.Queries, Keys = _call.Keys, Size = _call.Size,
            Query = _call.Query.Address, Key = _call.Key.Address, Value = _call.Value.Address, Mask = _call.Mask.Address,
            MaskBatch = _call.MaskBatch, MaskHead = _call.MaskHead, MaskQuery = _call.MaskQuery,
            Scale = _call.Scale, Rate = _call.Rate, Seed = _call.Seed, Sgemm = Blas.Sgemm,
        };

        public readonly void Free()
        {
            _call.Query.KeepAlive();
            _call.Key.KeepAlive();
            _call.Value.KeepAlive();
            _call.Mask.KeepAlive();
        }
    }
}
