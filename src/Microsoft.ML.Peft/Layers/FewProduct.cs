using Microsoft.ML.Peft.Interop;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>x·Wᵀ + b for the few tokens of a decoding step, where nothing trains and reading W is all that takes time.</summary>
internal static class FewProduct
{
    private const long MostTokens = 4;

    public static bool Takes(Tensor input, Tensor weight, Tensor? bias) =>
        input.numel() <= MostTokens * weight.size(1) && IsStill(input) && IsStill(bias) && PeftNative.Takes(input) && IsRead(weight);

    /// <summary>Whether a second matrix may follow: x·Aᵀ·Bᵀ.</summary>
    public static bool TakesBoth(Tensor input, Tensor first, Tensor second) => Takes(input, first, null) && IsRead(second);

    /// <param name="input">[..., in]</param>
    /// <param name="weight">[out, in]</param>
    /// <param name="bias">[out]</param>
    public static Tensor Multiply(Tensor input, Tensor weight, Tensor? bias)
    {
        using Tensor? dense = input.is_contiguous() ? null : input.contiguous();
        long rows = weight.size(0), columns = weight.size(1);
        Tensor output = NativeTensor.Empty(input, rows);
        NativeMethods.FewProduct(
            NativeMethods.BestIsa, weight, bias, rows, columns,
            dense ?? input, columns == 0 ? 0 : input.numel() / columns, output);
        return output;
    }

    private static bool IsRead(Tensor weight) => IsStill(weight) && PeftNative.Takes(weight) && weight.is_contiguous();

    private static bool IsStill(Tensor? tensor) => tensor is not { requires_grad: true } || !is_grad_enabled();
}
