using System.Runtime.InteropServices;
using System.Runtime.InteropServices.Marshalling;

namespace Microsoft.ML.Peft.Interop;

/// <summary>A matrix of codes, as <c>peft_quantized</c> of <c>src/Native/peft_native.h</c> has it.</summary>
[NativeMarshalling(typeof(Marshaller))]
internal struct QuantizedCall
{
    public long Rows, Columns, Block;
    public int Bits;
    public float ScaleOffset;
    public Elements<byte> Codes, ScaleCodes;
    public Elements<float> Levels, Scales, ScaleLevels;

    /// <summary>The struct of the header, field by field.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal unsafe struct Native
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

    [CustomMarshaller(typeof(QuantizedCall), MarshalMode.ManagedToUnmanagedIn, typeof(Marshaller))]
    internal unsafe struct Marshaller
    {
        private QuantizedCall _call;

        public void FromManaged(QuantizedCall call) => _call = call;

        public readonly Native ToUnmanaged() => new()
        {
            Rows = _call.Rows, Columns = _call.Columns, Block = _call.Block, Bits = _call.Bits, ScaleOffset = _call.ScaleOffset,
            Codes = _call.Codes.Address, Levels = _call.Levels.Address, Scales = _call.Scales.Address,
            ScaleCodes = _call.ScaleCodes.Address, ScaleLevels = _call.ScaleLevels.Address, Sgemm = Blas.Sgemm,
        };

        public readonly void Free()
        {
            _call.Codes.KeepAlive();
            _call.ScaleCodes.KeepAlive();
            _call.Levels.KeepAlive();
            _call.Scales.KeepAlive();
            _call.ScaleLevels.KeepAlive();
        }
    }
}
