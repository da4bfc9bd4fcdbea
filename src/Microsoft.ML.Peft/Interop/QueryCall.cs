using System.Runtime.InteropServices;
using System.Runtime.InteropServices.Marshalling;

namespace Microsoft.ML.Peft.Interop;

/// <summary>Attention of single queries, as <c>peft_query</c> of <c>src/Native/peft_native.h</c> has it.</summary>
[NativeMarshalling(typeof(Marshaller))]
internal struct QueryCall
{
    public long Batch, Heads, Groups, Keys, Size, BatchStride, GroupStride, MaskBatch, MaskHead;
    public Elements<float> Query, Key, Value, Mask;
    public double Scale;

    /// <summary>The struct of the header, field by field.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal unsafe struct Native
    {
        public long Batch, Heads, Groups, Keys, Size, BatchStride, GroupStride, MaskBatch, MaskHead;
        public float* Query, Key, Value, Mask;
        public double Scale;
    }

    [CustomMarshaller(typeof(QueryCall), MarshalMode.ManagedToUnmanagedIn, typeof(Marshaller))]
    internal unsafe struct Marshaller
    {
        private QueryCall _call;

        public void FromManaged(QueryCall call) => _call = call;

        public readonly Native ToUnmanaged() => new()
        {
            Batch = _call.Batch, Heads = _call.Heads, Groups = _call.Groups, Keys = _call.Keys, Size = _call.Size,
            BatchStride = _call.BatchStride, GroupStride = _call.GroupStride, MaskBatch = _call.MaskBatch, MaskHead = _call.MaskHead,
            Query = _call.Query.Address, Key = _call.Key.Address, Value = _call.Value.Address, Mask = _call.Mask.Address, Scale = _call.Scale,
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
