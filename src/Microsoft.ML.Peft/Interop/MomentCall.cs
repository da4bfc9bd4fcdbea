using System.Runtime.InteropServices;
using System.Runtime.InteropServices.Marshalling;

namespace Microsoft.ML.Peft.Interop;

/// <summary>A moment in 8 bits, as <c>peft_moment_8bit</c> of <c>src/Native/peft_native.h</c> has it.</summary>
[NativeMarshalling(typeof(Marshaller))]
internal struct MomentCall
{
    public Elements<byte> Codes, Cells;
    public Elements<float> Scales, Levels, Bounds;

    /// <summary>The struct of the header, field by field.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal unsafe struct Native
    {
        public byte* Codes;
        public float* Scales, Levels, Bounds;
        public byte* Cells;
    }

    [CustomMarshaller(typeof(MomentCall), MarshalMode.ManagedToUnmanagedIn, typeof(Marshaller))]
    internal unsafe struct Marshaller
    {
        private MomentCall _call;

        public void FromManaged(MomentCall call) => _call = call;

        public readonly Native ToUnmanaged() => new()
        {
            Codes = _call.Codes.Address, Scales = _call.Scales.Address, Levels = _call.Levels.Address, Bounds = _call.Bounds.Address, Cells = _call.Cells.Address,
        };

        public readonly void Free()
        {
            _call.Codes.KeepAlive();
            _call.Cells.KeepAlive();
            _call.Scales.KeepAlive();
            _call.Levels.KeepAlive();
            _call.Bounds.KeepAlive();
        }
    }
}
