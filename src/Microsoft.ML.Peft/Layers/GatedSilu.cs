using Microsoft.ML.Peft.Interop;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>SiLU of a gate times another tensor (Shazeer 2020), natively: the two inputs are all that is kept.</summary>
internal sealed class GatedSilu : GradientFunction<GatedSilu, NoSettings>
{
    public static Tensor Of(Tensor gate, Tensor up) =>
        PeftNative.Takes(gate) && PeftNative.Takes(up) ? Call(NoSettings.Instance, gate, up) : Activation.Named("silu")(gate) * up;

    protected override (Tensor Output, Tensor?[] Saved) Forward(NoSettings call, IReadOnlyList<Tensor> inputs)
    {
        var (gate, up) = (NativeTensor.Dense(inputs[0]), NativeTensor.Dense(inputs[1]));
        Tensor output = NativeTensor.Empty(gate, gate.size(-1));
        NativeMethods.GatedSilu(NativeMethods.BestIsa, gate, up, gate.numel(), output);
        return (output, [gate, up]);
    }

    protected override Tensor?[] Backward(NoSettings call, IReadOnlyList<Tensor> saved, Tensor gradient)
    {
        var (gate, up) = (saved[0], saved[1]);
        Tensor dense = gradient.contiguous(), gateGradient = NativeTensor.Empty(gate.Sizes()), upGradient = NativeTensor.Empty(gate.Sizes());
        NativeMethods.GatedSiluBackward(
            NativeMethods.BestIsa, gate, up, dense, gate.numel(),
            gateGradient, upGradient);
        return [gateGradient, upGradient];
    }
}
