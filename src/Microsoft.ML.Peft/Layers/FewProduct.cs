using Microsoft.ML.Peft.Interop;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>x·Wᵀ + b for the few tokens of a decoding step, where nothing trains and reading W is all that takes time.</summary>
internal static class FewProduct
{
    private const long MostTokens = 4;

    public static bool Takes(Tensor input, Tensor weight, Tensor? bias) =>
        input.numel() <= MostTokens * weight.size(1) && !(is_grad_enabled() && (input.requires_grad || weight.requires_grad || bias?.requires_grad == true))
        && PeftNative.Takes(input) && PeftNative.Takes(weight) && weight.is_contiguous();

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
}
